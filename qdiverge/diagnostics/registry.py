"""Every diagnostic that a monitor runs; one line each."""

from qdiverge.checks import check_choice
from qdiverge.diagnostics.diagnostic import COSTS, Cost, Diagnostic
from qdiverge.diagnostics.metrics.batch_contraction import Contraction
from qdiverge.diagnostics.metrics.batch_data import Data
from qdiverge.diagnostics.metrics.churn import EffectiveStep, GreedyChurn, ValueChurn
from qdiverge.diagnostics.metrics.coadaptation import Coadaptation
from qdiverge.diagnostics.metrics.definiteness import Definiteness
from qdiverge.diagnostics.metrics.dormant_units import DormantUnits
from qdiverge.diagnostics.metrics.earned_scale import EarnedScale
from qdiverge.diagnostics.metrics.end_atoms import EndAtoms
from qdiverge.diagnostics.metrics.error_growth import Stability
from qdiverge.diagnostics.metrics.feature_rank import FeatureRank
from qdiverge.diagnostics.metrics.interference import Interference
from qdiverge.diagnostics.metrics.q_values import QValues
from qdiverge.diagnostics.metrics.self_excitation import SelfExcitation
from qdiverge.diagnostics.metrics.step_linearity import Linearisation
from qdiverge.diagnostics.metrics.td_errors import TargetLag, TDErrors

REGISTRY: tuple[type[Diagnostic], ...] = (
    QValues,
    EarnedScale,
    EndAtoms,
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
    check_choice("cost", cost, COSTS)
    affordable = COSTS[: COSTS.index(cost) + 1]
    return [kind() for kind in REGISTRY if kind.cost in affordable]
