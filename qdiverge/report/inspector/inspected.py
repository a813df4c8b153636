"""What the Inspector shows, computed: a diagnosis, the kernel by layer, and the transitions."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.diagnostics import Diagnosis, as_transitions, diagnose
from qdiverge.diagnostics.blocks import blocks_of
from qdiverge.diagnostics.diagnose import make_moment
from qdiverge.diagnostics.in_dtype import in_dtype
from qdiverge.report.drawing.heatmap import similarity
from qdiverge.report.inspector.loadings import by_layer, leading_eigenvector, loadings
from qdiverge.report.inspector.ordering import order_by_similarity

NUM_ROWS, NUM_PAIRS = 6, 5  # that are shown


@dataclass(frozen=True, eq=False)
class Inspection:
    """One moment of a Q-network on N transitions.

    Attributes:
        diagnosis: What :func:`qdiverge.diagnose` says.
        kernel: K, float64 [N, N].
        excess: A = K′ − K, float64 [N, N]: row i, what an update of j does to the target of i, less
            what it does to its value.
        order: Rows by similarity, int [N].
        worst_rows: Rows of the contraction condition, the farthest from holding first.
        pairs: (i, j, share): the push of j on i in the growing mode, the largest first.
        leading: λ_max(K).
        loadings: Layer → share of it.
        mode_loadings: Layer → Re wᴴA^(ℓ)Dv / wᴴv; they sum to the real part of the mode.
        observations: s, [N, …].
        next_observations: s′, [N, …].
        actions: a, [N] or [N, k].
        rewards: r, [N].
        terminated: d, bool [N].
        values: Q(s, a), [N].
        td_errors: δ, [N].
        action_names: Of each action; empty: they go by their numbers.
        num_repeats: Transitions left out because their pair (s, a) stands in the batch before.
    """

    diagnosis: Diagnosis
    kernel: np.ndarray
    excess: np.ndarray
    order: np.ndarray
    worst_rows: tuple[int, ...]
    pairs: tuple[tuple[int, int, float], ...]
    leading: float
    loadings: dict[str, float]
    mode_loadings: dict[str, float]
    observations: np.ndarray
    next_observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    values: np.ndarray
    td_errors: np.ndarray
    action_names: tuple[str, ...] = ()
    num_repeats: int = 0

    @property
    def grows(self) -> bool:
        """Tell whether the leading mode of AD grows, beyond what rounding makes of a zero."""
        attribution = self.diagnosis.attribution
        rounding = 1e-6 * float(attribution.pairs.abs().max())
        return attribution.eigenvalue.real > rounding

    def action_name(self, row: int) -> str:
        """Return the name of an action, or its numbers."""
        action = self.actions[row]
        if np.ndim(action):
            return ", ".join(f"{part:.2g}" for part in action)
        names = self.action_names
        return names[int(action)] if int(action) < len(names) else f"action {int(action)}"


@torch.inference_mode(mode=False)
def inspection_of(
    q_net: Any,
    batch: Any,
    discount: float = 0.99,
    learning_rate: float | None = None,
    *,
    action_names: tuple[str, ...] = (),
    **options: Any,
) -> Inspection:
    """Return the inspection of one moment.

    A pair (s, a) that stands in the batch twice is looked at once: two equal rows of K make a mode
    of eigenvalue 0 that says nothing of the network, and hides the others where these shrink.

    Args:
        q_net: See :func:`qdiverge.diagnose`, as for all others but the next.
        batch: N transitions.
        discount: γ.
        learning_rate: α; None: the optimiser's.
        action_names: Of each action.
        options: ``target``, ``optimizer``, ``reward_bound`` and so on.
    """
    given = as_transitions(batch)
    transitions = given.select(first_of_each(given.observations, given.actions))
    diagnosis = diagnose(q_net, transitions, discount, learning_rate, **options)
    rule = diagnosis.rule
    given_parts = (options.get(name) for name in ("target", "optimizer", "policy"))
    with in_dtype(options.get("dtype"), q_net, transitions, *given_parts) as parts:
        own, target, optimizer, policy = parts
        moment = make_moment(
            own, transitions, rule.discount, diagnosis.learning_rate, target=target,
            optimizer=optimizer, policy=policy, reward_bound=options.get("reward_bound"),
            bootstrap=rule.bootstrap, entropy_coefficient=rule.entropy_coefficient, rule=rule,
        )  # fmt: skip
        of_first = blocks_of(replace(moment, twins=()))
        blocks, successors = of_first.own[0], of_first.ahead[0]
        values = _array(moment.q)
    layers = {name: _array(block) for name, block in blocks.items()}
    K = sum(layers.values(), np.zeros(()))
    K = (K + K.T) / 2
    successor_kernel = sum((_array(block) for block in successors.values()), np.zeros(()))
    leading, vector = leading_eigenvector(K)
    ratios = _array(diagnosis.contraction.row_ratio)
    worst = np.argsort(-np.nan_to_num(ratios, nan=np.inf), kind="stable")[:NUM_ROWS]
    return Inspection(
        diagnosis=diagnosis,
        kernel=K,
        excess=successor_kernel - K,
        order=order_by_similarity(similarity(K)),
        worst_rows=tuple(int(row) for row in worst),
        pairs=tuple(
            (i % len(K), j % len(K), share)
            for i, j, share in diagnosis.attribution.top_pairs(NUM_PAIRS)
        ),
        leading=leading,
        loadings=loadings(layers, vector) if leading > 0 else {},
        mode_loadings=by_layer(diagnosis.attribution.layers),
        observations=transitions.observations.detach().cpu().numpy(),
        next_observations=transitions.next_observations.detach().cpu().numpy(),
        actions=transitions.actions.detach().cpu().numpy(),
        rewards=_array(transitions.rewards),
        terminated=_array(transitions.terminated) > 0,
        values=values,
        td_errors=_array(diagnosis.td_errors),
        action_names=action_names,
        num_repeats=len(given) - len(transitions),
    )


def first_of_each(observations: Tensor, actions: Tensor) -> Tensor:
    """Return the places of the pairs (s, a) that do not stand in the batch before, [M].

    >>> first_of_each(torch.tensor([[1.0], [2.0], [1.0], [1.0]]), torch.tensor([0, 0, 0, 1]))
    tensor([0, 1, 3])
    """
    first_places: dict[bytes, int] = {}
    pairs = zip(observations.detach().cpu(), actions.detach().cpu(), strict=True)
    for place, (s, a) in enumerate(pairs):
        key = s.contiguous().numpy().tobytes() + a.contiguous().numpy().tobytes()
        first_places.setdefault(key, place)
    return torch.tensor(list(first_places.values()), device=observations.device)


def _array(tensor: Tensor) -> np.ndarray:
    return np.asarray(tensor.detach().double().cpu().numpy())
