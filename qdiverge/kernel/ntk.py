"""The empirical neural tangent kernel of a Q-network: the object that users hold."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.checks import check_choice, check_integer
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.kernel import assemble
from qdiverge.kernel.check_network import check_range
from qdiverge.kernel.gram import PRECISIONS, Gram
from qdiverge.kernel.matvec import matvec
from qdiverge.kernel.network import Network, read_network, untouched, unwrap
from qdiverge.kernel.pairs import Actions, Pairs, check_pairs
from qdiverge.kernel.plan import Plan
from qdiverge.kernel.posing import Options, Plans, make_problem
from qdiverge.kernel.precondition import Preconditioner, read_preconditioner
from qdiverge.kernel.problem import Problem
from qdiverge.tensor_checks import DENSE, check_distribution, check_finite
from qdiverge.thing_checks import check_instance

METHODS = ("auto", "structured", "per_sample", "reference")
Observations = Tensor | np.ndarray


class NTK:
    """K(x, x') = ∇_θ Q(x) · M ∇_θ Q(x'), exact; the module is only ever read.

    Jacot, Gabriel & Hongler 2018 (arXiv:1806.07572); for Q-networks: Achiam, Knight & Abbeel 2019
    (arXiv:1903.08894). Frozen parameters are left out.

    Args:
        q_net: Returns Q-values [N, A] for observations [N, ...]; or a critic, called with
            observations and floating-point actions [N, k], that returns [N] or [N, 1].
        method: "auto" (as "structured"), "structured" (each layer's rule, per-sample gradients for
            the parameters without one), "per_sample" (``vmap(grad)``), or "reference" (a loop).
        block_size: How many samples' features are held at a time, rounded to whole chunks; the
            result does not depend on it. By default 512 MB of them; up to 128 MB are kept for the
            next call.
        preconditioner: M, as a dict parameter name → tensor, or read at each call from a live Adam,
            AdamW, RMSprop or SGD; None for M = 1.
        dtype: Calculate in this precision instead of the network's own.
        gram_precision: "full", or "tf32", "bf16x3", "bf16": round the inputs of float32 Gram
            products, for a GPU's tensor cores (:class:`Gram` states the errors).
        trial_runs: "always", or "once": do not look again whether the network mixes samples for
            observations of a shape that it was tried on. Only for a network whose modules and
            modes stay as they are, its weights may change; saves a quarter of the time at N = 32.

    >>> q_net = nn.Linear(2, 2, bias=False)  # K = s·s' where the actions agree, 0 elsewhere
    >>> NTK(q_net).kernel(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([0, 0]))
    tensor([[5., 3.],
            [3., 9.]])
    """

    def __init__(
        self,
        q_net: nn.Module,
        *,
        method: str = "auto",
        block_size: int | None = None,
        preconditioner: Preconditioner | None = None,
        dtype: torch.dtype | None = None,
        gram_precision: str = "full",
        trial_runs: str = "always",
    ) -> None:
        check_instance("q_net", q_net, nn.Module)
        check_choice("method", method, METHODS)
        if block_size is not None:
            block_size = check_integer("block_size", block_size, 1)
        check_choice("gram_precision", gram_precision, PRECISIONS)
        if dtype is not None and not (
            isinstance(dtype, torch.dtype) and dtype.is_floating_point and dtype in DENSE
        ):
            raise InvalidTypeError("dtype must be a floating-point dtype of torch", got=dtype)
        check_choice("trial_runs", trial_runs, ("always", "once"))
        self._plans: Plans | None = {} if trial_runs == "once" else None
        self.q_net, self.dtype, self.preconditioner = q_net, dtype, preconditioner
        self.options = Options(method, block_size, Gram(gram_precision))

    def kernel(
        self,
        observations: Observations,
        actions: Actions,
        other_observations: Observations | None = None,
        other_actions: Actions | None = None,
    ) -> Tensor:
        """Return K [N, N], or the cross kernel [N, M] with a second set of pairs.

        With ``actions="all"`` a side has an axis of actions too: [N, A, N, A].

        Raises:
            InvalidValueError, InvalidTypeError: an argument cannot be used.
            UnsupportedNetworkError: the network mixes samples or draws random numbers.
        """
        arguments = observations, actions, other_observations, other_actions
        with self._problem(*arguments) as (problem, _, _):
            return problem.shaped(assemble.kernel(problem))

    def diagonal(self, observations: Observations, actions: Actions) -> Tensor:
        """Return K_ii [N], or [N, A] for all actions, without the rest of K.

        >>> NTK(nn.Linear(2, 2)).diagonal(torch.tensor([[1.0, 2.0]]), torch.tensor([1]))
        tensor([6.])
        """
        with self._problem(observations, actions) as (problem, _, _):
            return per_pair(problem, assemble.diagonal(problem))

    def abs_row_sums(
        self, observations: Observations, actions: Actions, rho: Tensor | None = None
    ) -> Tensor:
        """Return Σ_j |K_ij| ρ_j [N], K never held whole; ρ uniform where it is None.

        Raises:
            InvalidValueError: ρ is no distribution over the pairs.
        """
        with self._problem(observations, actions) as (problem, _, _):
            return per_pair(problem, assemble.abs_row_sums(problem, flat_rho(problem, rho)))

    def matvec(self, observations: Observations, actions: Actions, vector: Tensor) -> Tensor:
        """Return K v, shaped as v: [N], or [N, A] for all actions; K never held.

        One vector-Jacobian product and one Jacobian-vector product.
        """
        with self._problem(observations, actions) as (problem, network, scales):
            shape = (len(problem.x), problem.rows[0])
            expected = shape if problem.x.actions is None else shape[:1]
            check_finite("vector", vector)
            if vector.shape != expected:
                raise InvalidValueError(
                    f"vector must have shape {list(expected)}", got=list(vector.shape)
                )
            v = vector.detach().to(problem.dtype).reshape(shape)
            return matvec(network, problem.x, v, scales, problem.pass_size).reshape(expected)

    def by_layer(
        self,
        observations: Observations,
        actions: Actions,
        other_observations: Observations | None = None,
        other_actions: Actions | None = None,
    ) -> dict[str, Tensor]:
        """Return each layer's kernel, by the name of its module (a bare parameter's by its own).

        They sum to :meth:`kernel` of the same arguments: which layer couples which pairs.

        >>> net = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
        >>> x, y, a = torch.ones(2, 1), torch.ones(3, 1), torch.zeros(3, dtype=torch.long)
        >>> {name: list(k.shape) for name, k in NTK(net).by_layer(x, a[:2], y, a).items()}
        {'0': [2, 3], '1': [2, 3]}
        """
        arguments = observations, actions, other_observations, other_actions
        with self._problem(*arguments) as (problem, network, _):
            blocks = assemble.by_block(problem)
            return {network.prefix + k: problem.shaped(v) for k, v in blocks.items()}

    def of_actions(
        self,
        observations: Observations,
        actions: Tensor,
        other_observations: Observations,
        other_actions: Tensor,
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Return K by layer, and what couples the pairs to every action of other observations.

        All in one pass, with the pairs' features made once.

        Returns:
            ``kernel(observations, actions, other_observations, "all")``, [N, N', A]; ``by_layer``
            of the pairs, [N, N] each; and of the pairs with the other ones, [N, N'] each.

        >>> net = nn.Sequential(nn.Linear(1, 2))  # an action's outputs share no parameter
        >>> x, a = torch.tensor([[2.0]]), torch.tensor([1])
        >>> whole, own, layers = NTK(net).of_actions(x, a, x / 2, a)
        >>> whole.tolist(), own["0"].tolist(), layers["0"].tolist()
        ([[[0.0, 3.0]]], [[5.0]], [[3.0]])
        """
        arguments = observations, actions, other_observations, "all"
        with self._problem(*arguments) as (problem, network, _):
            A, device = problem.rows[1], problem.x.observations.device
            chosen = check_pairs(other_observations, other_actions, device=device)
            check_range(chosen, A)
            assert chosen.actions is not None
            rows = torch.arange(len(chosen), device=device) * A + chosen.actions
            whole, *blocks = assemble.with_own_blocks(problem, rows)
            own, layers = ({network.prefix + k: v for k, v in b.items()} for b in blocks)
            return problem.shaped(whole), own, layers

    def plan(self, observations: Observations, actions: Actions) -> Plan:
        """Return what is done for each parameter, and why; print it."""
        with self._problem(observations, actions) as (problem, network, _):
            return problem.plan.renamed(network.prefix)

    @contextlib.contextmanager
    def _problem(
        self,
        observations: Observations,
        actions: Actions,
        other_observations: Observations | None = None,
        other_actions: Actions | None = None,
    ) -> Iterator[tuple[Problem, Network, dict[str, Tensor]]]:
        """Check everything, and give what the answers are made from while the module is guarded."""
        if (other_observations is None) != (other_actions is None):
            raise InvalidValueError("a cross kernel needs the other observations and actions both")
        with untouched(unwrap(self.q_net)[0], self.dtype):
            network = read_network(self.q_net, self.dtype)
            device = next(iter(network.params.values())).device
            x = check_pairs(observations, actions, device=device, dtype=self.dtype)
            y: Pairs | None = None
            if other_observations is not None and other_actions is not None:
                y = check_pairs(other_observations, other_actions, device=device, dtype=self.dtype)
            scales = read_preconditioner(self.preconditioner, network, network.dtype)
            with self.options.gram.mode(device):
                problem = make_problem(network, x, y, scales, self.options, self._plans)
                yield problem, network, scales


def empirical_ntk(
    q_net: nn.Module,
    observations: Observations,
    actions: Actions,
    other_observations: Observations | None = None,
    other_actions: Actions | None = None,
    *,
    method: str = "auto",
    block_size: int | None = None,
    preconditioner: Preconditioner | None = None,
    dtype: torch.dtype | None = None,
    gram_precision: str = "full",
) -> Tensor:
    """Return the empirical NTK at the pairs: the one-shot form of :meth:`NTK.kernel`.

    >>> q_net = nn.Linear(1, 1)  # K = s·s + 1, the 1 from the bias
    >>> empirical_ntk(q_net, torch.tensor([[2.0]]), torch.tensor([0]))
    tensor([[5.]])
    """
    ntk = NTK(
        q_net,
        method=method,
        block_size=block_size,
        preconditioner=preconditioner,
        dtype=dtype,
        gram_precision=gram_precision,
    )
    return ntk.kernel(observations, actions, other_observations, other_actions)


def flat_rho(problem: Problem, rho: Tensor | None) -> Tensor:
    """Return ρ [R] over the rows, uniform where it is None, when it is a distribution."""
    size = len(problem.x) * problem.rows[0]
    if rho is None:
        return problem.x.observations.new_full((size,), 1 / size, dtype=problem.dtype)
    flat = rho.flatten() if isinstance(rho, Tensor) else rho
    return check_distribution("rho", flat, size).to(problem.dtype)


def per_pair(problem: Problem, values: Tensor) -> Tensor:
    """Return [R] as [N], or as [N, A] for all actions."""
    return values if problem.x.actions is not None else values.reshape(len(problem.x), -1)
