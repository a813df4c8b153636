"""Every diagnostic that a monitor runs; one line each."""

from qdiverge.diagnostics.churn import EffectiveStep, GreedyChurn, ValueChurn
from qdiverge.diagnostics.coadaptation import Coadaptation
from qdiverge.diagnostics.contraction import Contraction
from qdiverge.diagnostics.data import Data
from qdiverge.diagnostics.definiteness import Definiteness
from qdiverge.diagnostics.diagnostic import COSTS, Cost, Diagnostic, check_cost
from qdiverge.diagnostics.dormant_units import DormantUnits
from qdiverge.diagnostics.feature_rank import FeatureRank
from qdiverge.diagnostics.interference import Interference
from qdiverge.diagnostics.linearisation import Linearisation
from qdiverge.diagnostics.q_values import QValues
from qdiverge.diagnostics.self_excitation import SelfExcitation
from qdiverge.diagnostics.stability import Stability
from qdiverge.diagnostics.td_errors import TargetLag, TDErrors

REGISTRY: tuple[type[Diagnostic], ...] = (
    QValues,
    TDErrors,
    TargetLag,
    Data,
    ValueChurn,
    GreedyChurn,
    Contraction,
    Stability,
    SelfExcitation,
    Interference,
    FeatureRank,
    DormantUnits,
    Coadaptation,
    Definiteness,
    EffectiveStep,
    Linearisation,
)


def diagnostics_up_to(cost: Cost) -> list[Diagnostic]:
    """Return a fresh instance of each diagnostic whose tier is at most ``cost``."""
    check_cost(cost)
    affordable = COSTS[: COSTS.index(cost) + 1]
    return [kind() for kind in REGISTRY if kind.cost in affordable]
