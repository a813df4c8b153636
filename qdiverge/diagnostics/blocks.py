"""The kernels of a moment by layer, of each critic, and all critics as one system."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdiverge.diagnostics.critics import target_shares
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.noisy_weights import Kernels
from qdiverge.kernel import NTK
from qdiverge.td import bootstrap_weights
from qdiverge.transitions import Transitions
from qdiverge.update import UpdateRule


@dataclass(frozen=True, eq=False)
class Blocks:
    """Kernels of n critics (n = 1: of a Q-network), each the sum of its layers'.

    Attributes:
        own: Critic → layer → K ``[N, N]``.
        ahead: Critic → layer → K' ``[N, N]`` at the greedy (or the policy's) successors, were it
            that critic's value which all bootstrap from.
        actions: K' of every action, ``[N, A, N]``; None where it was not asked for.
        noise_error: ‖standard error‖ / ‖K‖ of an average over noisy weights; 0.0 without.
    """

    own: tuple[Kernels, ...]
    ahead: tuple[Kernels, ...]
    actions: Tensor | None = None
    noise_error: float = 0.0

    def kernel(self, critic: int) -> Tensor:
        """Return K of one critic ``[N, N]``, symmetric but for rounding."""
        return torch.stack(list(self.own[critic].values())).sum(0)

    def following(self, critic: int) -> Tensor:
        """Return K' ``[N, N]``, or where it is known that of every action, ``[N, A, N]``."""
        if self.actions is not None:
            return self.actions
        return torch.stack(list(self.ahead[critic].values())).sum(0)

    def side_by_side(self, selection: Tensor) -> tuple[Kernels, Kernels]:
        """Return layer → K and layer → K' ``[nN, nN]`` of one system of all critics.

        Row (c, i) bootstraps from critic m with weight ``selection[i, m]``, ``[N, n]``.
        """
        n, N = len(self.own), len(selection)
        joint, following = Kernels(), Kernels()
        for c in range(n):
            block = slice(c * N, (c + 1) * N)
            for layer, K in self.own[c].items():
                name = layer if n == 1 else f"critic {c}: {layer}"
                joint[name], following[name] = K.new_zeros(2, n * N, n * N)
                joint[name][block, block] = K
                share = selection[:, c : c + 1].to(K) * self.ahead[c][layer]
                following[name][:, block] = share.repeat(n, 1)
        return joint, following


def blocks_of(moment: Moment) -> Blocks:
    """Return the kernels of every critic by layer, each from one Gram over pairs and successors."""
    N, both = len(moment.batch), pairs_and_successors(moment)
    gamma = bootstrap_weights(moment.row_discounts, moment.batch.terminated, torch.float64)
    own, ahead, errors = [], [], []

    def gram(ntk: NTK) -> Kernels:
        return ntk.by_layer(both.observations, both.actions)

    for each in moment.each_critic:
        blocks, error = each.averaged(gram)
        own.append({name: block[:N, :N] for name, block in blocks.items()})
        ahead.append({n: gamma[:, None].to(block) * block[N:, :N] for n, block in blocks.items()})
        errors.append(error)
    return Blocks(tuple(own), tuple(ahead), noise_error=max(errors))


def blocks_of_actions(moment: Moment) -> Blocks:
    """Return the kernels of a Q-network by layer, and K' of every successor action, in one pass."""
    batch, greedy = moment.batch, moment.next_actions
    gamma = bootstrap_weights(moment.row_discounts, batch.terminated, torch.float64)

    def compute(ntk: NTK) -> Kernels:
        whole, own, ahead = ntk.of_actions(*moment.pairs, batch.next_observations, greedy)
        return _prefixed("own ", own) | _prefixed("ahead ", ahead) | {"whole": whole}

    kernels, error = moment.averaged(compute)
    weights = gamma.to(kernels["whole"])
    own, ahead = _without("own ", kernels), _without("ahead ", kernels)
    ahead = {name: weights[:, None] * K.T for name, K in ahead.items()}
    following = weights[:, None, None] * kernels["whole"].permute(1, 2, 0).contiguous()
    return Blocks((own,), (ahead,), following, error)


def pairs_and_successors(moment: Moment) -> Transitions:
    """Return the 2N pairs (s_i, a_i) and (s'_i, a'_i), the other fields being those of X."""
    batch = moment.batch.plain()
    following = moment.next_actions.to(batch.actions.dtype)
    return batch.join(replace(batch, observations=batch.next_observations, actions=following))


def _prefixed(prefix: str, kernels: Kernels) -> Kernels:
    return {prefix + name: K for name, K in kernels.items()}


def _without(prefix: str, kernels: Kernels) -> Kernels:
    return {n.removeprefix(prefix): K for n, K in kernels.items() if n.startswith(prefix)}


def selection_of(moment: Moment, rule: UpdateRule) -> Tensor:
    """Return with what weight each critic's value enters each target, ``[N, n]``; of one, 1."""
    if not moment.twins:
        return torch.ones(len(moment.batch), 1, dtype=torch.float64)
    values = moment.target_next_q if rule.is_evaluated_by_target else moment.online_next_q
    return target_shares(values, rule.critics, rule.critic_subset)
