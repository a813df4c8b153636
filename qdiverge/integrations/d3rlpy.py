"""d3rlpy 2: a context manager around the training of DQN, DDPG, TD3, SAC or CQL, on or off line.

    with d3rlpy.attach(algo, dataset, out="runs/x") as monitor:
        algo.fit(dataset, n_steps=100_000)

The batch is seen, as d3rlpy has scaled it, where its target is made, which is heard at the class
of the implementation, and with it the a' of the target, as it was drawn.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.integrations.d3rlpy_batches import (
    DISCRETE,
    Sampled,
    Squashed,
    entropy_coefficient,
    of_copies,
    read_batch,
)
from qdiverge.integrations.network_views import First
from qdiverge.integrations.user_options import with_options
from qdiverge.monitor import Monitor
from qdiverge.monitor import attach as attach_monitor
from qdiverge.monitor.listening import listen

LAGGING = ("DDPG", "TD3", "TD3PlusBC")  # their a' is of the target policy
KINDS = (*DISCRETE, *LAGGING, "SAC", "CQL")
CONSERVATIVE = "the loss has a conservative term beside the TD error"
QUANTILES = "Q is the mean of a distribution, whose quantiles are what learns"


@contextmanager
def attach(algo: Any, dataset: Any, *, out: Any, **options: Any) -> Iterator[Monitor]:
    """Watch the updates of an algorithm, by ``fit``, ``fit_online`` or ``update``.

    Networks that are not there yet are built for the dataset, as ``fit`` would build them. With
    ``on_alarm="stop"`` the next update raises :class:`qdiverge.errors.DivergenceError`.

    Args:
        algo: d3rlpy's DQN, DoubleDQN, DDPG, TD3, TD3PlusBC or SAC, whose TD errors are all that
            the critics learn from; or DiscreteCQL or CQL, whose values alone are looked at.
        dataset: The ``ReplayBuffer`` that it learns from; copies that run ahead draw from it.
        out: A new run folder.
        options: Of :func:`qdiverge.attach`, such as ``cost`` and ``every``. What the algorithm says
            need not be passed: networks, optimizer, discount, loss, bootstrap, policy. Of n-step
            transitions pass ``discount=γⁿ``.

    Yields:
        The monitor.

    Raises:
        InvalidTypeError: another algorithm.
        InvalidValueError: it is compiled to a CUDA graph, or an ensemble of discrete Q-functions.
    """
    if algo.impl is None and type(algo).__name__ in KINDS:
        algo.build_with_dataset(dataset)
    read_off = watched(algo) | {"foresight": of_copies(algo, dataset)}
    monitor = attach_monitor(out=out, **with_options(read_off, options))
    impl = algo.impl
    drawn: dict[str, Tensor] = {}

    def bootstrap(method: Callable[..., Tensor], x: Any, action: Any, **kwargs: Any) -> Tensor:
        value = method(x, action, **kwargs)
        drawn.update(next_actions=action.detach().clone(), value=value.detach())
        return value

    def target(method: Callable[..., Tensor], batch: Any) -> Tensor:
        value = method(batch)
        following = dict(drawn)
        if following and (entropy := entropy_coefficient(algo)):
            following["next_log_probs"] = (following["value"] - value) / entropy
        following.pop("value", None)
        monitor.batch(read_batch(algo, batch) | following)
        return value

    endings = [listen(impl, "compute_target", target)]
    if type(algo).__name__ not in DISCRETE:
        endings.append(listen(impl._targ_q_func_forwarder, "compute_target", bootstrap))
    status = "interrupted"
    try:
        yield monitor
        status = "finished" if monitor.stopped_by is None else "alarm"
    finally:
        for end in endings:
            end()
        monitor.close(status)


def watched(algo: Any) -> dict[str, Any]:
    """Return what :func:`qdiverge.attach` has to be told about an algorithm that is built.

    Raises:
        InvalidTypeError: another algorithm.
        InvalidValueError: it is compiled to a CUDA graph, or an ensemble of discrete Q-functions.
    """
    kind = type(algo).__name__
    if kind not in KINDS:
        raise InvalidTypeError(
            f"the algorithm must be d3rlpy's {', '.join(KINDS[:-1])} or {KINDS[-1]}",
            got=kind,
            remedy="Of others, pass networks and optimizer to qd.attach yourself.",
        )
    if algo.compiled:
        raise InvalidValueError(
            "the algorithm must make each update in Python",
            got="one that is compiled to a CUDA graph",
            remedy="Use compile_graph=False.",
        )
    parts = algo.impl.modules
    if kind in DISCRETE and len(parts.q_funcs) > 1:
        raise InvalidValueError(
            "an algorithm with discrete actions must have one Q-function",
            got=f"n_critics={len(parts.q_funcs)}",
        )
    common: dict[str, Any] = {
        "q_network": [First(module) for module in parts.q_funcs],
        "target": [First(module) for module in parts.targ_q_funcs],
        "optimizer": algo.impl.q_function_optim,
        "discount": algo.gamma,
        "loss": "huber" if kind in DISCRETE else "squared",
        "config": {"framework": "d3rlpy", "algorithm": kind, "gamma": algo.gamma},
        "rule": known_rule(algo),
        "not_modelled": why_not_modelled(algo),
    }
    if kind in DISCRETE:
        return common | {"bootstrap": common["rule"]["bootstrap"]}
    if kind == "SAC":
        return common | {
            "policy": Sampled(parts.policy),
            "entropy_coefficient": partial(entropy_coefficient, algo),
        }
    return common | {"policy": Squashed(parts.targ_policy if kind in LAGGING else parts.policy)}


def known_rule(algo: Any) -> dict[str, Any]:
    """Return the fields of :class:`qdiverge.UpdateRule` that an algorithm's settings determine."""
    kind, parts, config = type(algo).__name__, algo.impl.modules, algo.config
    if kind in DISCRETE:
        return {
            "bootstrap": "target_q" if kind == "DQN" else "double_q",
            "clipping": parts.optim._clip_grad_norm or None,
            "critics": "one",
            "target_period": config.target_update_interval,
        }
    return {
        "bootstrap": "target_q",
        "clipping": parts.critic_optim._clip_grad_norm or None,
        "critics": "min" if len(parts.q_funcs) > 1 else "one",
        "polyak": config.tau,
        "averaging_period": getattr(config, "update_actor_interval", 1),
    }


def why_not_modelled(algo: Any) -> str:
    """Return why no linear theory is of the critics' update, which no audit then looks at."""
    reasons = [CONSERVATIVE] if type(algo).__name__.endswith("CQL") else []
    kinds = {type(module).__name__ for module in algo.impl.modules.q_funcs}
    if not all("MeanQFunction" in kind for kind in kinds):
        reasons.append(QUANTILES)
    return "; ".join(reasons)
