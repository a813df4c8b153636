"""Stable-Baselines3: a callback for DQN, QR-DQN (sb3-contrib), DDPG, TD3 and SAC.

    model.learn(100_000, callback=sb3.Callback(out="runs/x"))

Callbacks never see a training batch, so the replay buffer's ``sample`` is heard at its class; model
and buffer are not touched. TD3's smoothing noise is left out of a' = π_target(s').
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from qdiverge.errors import InvalidTypeError
from qdiverge.integrations.extras import imported
from qdiverge.integrations.network_views import MeanOverQuantiles
from qdiverge.integrations.sb3_ahead import Calls
from qdiverge.integrations.user_options import with_options
from qdiverge.monitor import Monitor, attach
from qdiverge.monitor.listening import listen, unheard
from qdiverge.runs import RunLog
from qdiverge.runs.log import LogMark
from qdiverge.sinks import as_sink

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
else:
    BaseCallback = imported("stable_baselines3.common.callbacks", "sb3").BaseCallback

OF_QUANTILES = "a quantile loss moves each quantile by the others' share, not Q by its TD error"
SETTINGS = ("gamma", "batch_size", "buffer_size", "tau", "target_update_interval",
            "gradient_steps", "learning_starts", "max_grad_norm")  # fmt: skip


class Callback(BaseCallback):
    """A watch over ``model.learn``, from its start to its end, also by an exception.

    A further call with the same model and callback goes on with the same run.

    With ``on_alarm="stop"`` it returns False at the next step, and the model ends its training.

    Args:
        out: A new run folder.
        verbose: As of every callback.
        options: Of :func:`qdiverge.attach`, such as ``cost`` and ``every``. What the model says
            need not be passed: networks, discount, loss, policy, entropy coefficient.

    Attributes:
        monitor: What is attached; None before the start.
    """

    def __init__(self, out: Any, *, verbose: int = 0, **options: Any) -> None:
        super().__init__(verbose)
        self.monitor: Monitor | None = None
        self._out, self._options = out, options
        self._endings: list[Callable[[], None]] = []
        self._log: RunLog | None = None  # opened again for a further call
        self._left: tuple[Any, dict[str, Any], LogMark] | None = (
            None  # model, state, end of the log
        )

    def close(self, status: str = "finished") -> None:
        """Leave the model; called at the end of training."""
        while self._endings:
            self._endings.pop()()
        if self.monitor is not None:
            if status == "finished":
                self._left = self.model, self.monitor.state(), self.monitor.mark()
            self.monitor.close(status)
        if self._log is not None:
            self._log.close(status)
            self._log = None

    def _on_training_start(self) -> None:
        model: Any = self.model
        options, calls = watched(model), Calls(model)
        options |= {"foresight": of_copies(model) | {"live": calls.ahead}}
        options = with_options(options, self._options)
        clock = options.pop("clock", lambda: model.num_timesteps)
        if self._left is not None and self._left[0] is model:
            self.monitor = self._go_on(options, clock, *self._left[1:])
        else:
            self.monitor = attach(out=self._out, clock=clock, **options)
        self._endings = [
            listen(model.replay_buffer, "sample", partial(_show, self.monitor, calls)),
            listen(model, "collect_rollouts", self._until_an_exception),
            listen(model, "train", partial(self._train, calls)),
        ]

    def _go_on(
        self,
        options: dict[str, Any],
        clock: Callable[[], int],
        state: dict[str, Any],
        mark: LogMark,
    ) -> Monitor:
        """Return a monitor that goes on where the call before has left it."""
        if isinstance(self._out, RunLog):  # shared, and closed by others
            monitor = attach(out=self._out, clock=clock, **options)
        else:
            self._log = RunLog.reopen(self._out)
            sinks = [as_sink(sink) for sink in options.pop("sinks", ())]
            self._log.rewind(mark, self.model.num_timesteps, self._log.info["config"], sinks)
            monitor = attach(out=self._log, clock=clock, **options)
        monitor.restore(state)
        return monitor

    def _on_step(self) -> bool:
        if self.monitor is None:
            return True
        for info in self.locals.get("infos", ()):
            if (episode := info.get("episode")) is not None:
                names = {"charts/episodic_return": "r", "charts/episodic_length": "l"}
                self.monitor.log({name: float(episode[key]) for name, key in names.items()})
        return self.monitor.stopped_by is None

    def _on_training_end(self) -> None:
        stopped = self.monitor is not None and self.monitor.stopped_by is not None
        self.close("alarm" if stopped else "finished")

    def _train(self, calls: Calls, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        calls.begin(args, kwargs)
        return self._until_an_exception(method, *args, **kwargs)

    def _until_an_exception(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except BaseException:
            self.close("interrupted")
            raise


def watched(model: "BaseAlgorithm") -> dict[str, Any]:
    """Return what :func:`qdiverge.attach` has to be told about a model.

    Raises:
        InvalidTypeError: another algorithm, or observations that are not one array.
    """
    if isinstance(model.observation_space, imported("gymnasium.spaces", "sb3").Dict):
        raise InvalidTypeError(
            "observations must come in one array",
            got="a Dict space",
            remedy="Flatten them, with gymnasium.wrappers.FlattenObservation.",
        )
    parts = _parts(model)
    num_steps = getattr(model.replay_buffer, "n_steps", 1)  # type: ignore[attr-defined]
    config = {name: getattr(model, name) for name in SETTINGS if hasattr(model, name)}
    config |= {"framework": "stable-baselines3", "algorithm": type(model).__name__}
    return parts | {
        "rule": known_rule(model),
        "discount": config["gamma"] ** num_steps,
        "config": config | {"n_steps": num_steps},
    }


def known_rule(model: Any) -> dict[str, Any]:
    """Return the fields of :class:`qdiverge.UpdateRule` that the model's settings determine.

    How the target follows is left to be seen where copies and updates do not keep step.
    """
    is_critic = hasattr(model, "critic")
    rule: dict[str, Any] = {
        "bootstrap": "target_q",
        "clipping": None if is_critic else model.max_grad_norm,
        "critics": "one" if not is_critic or model.critic.n_critics == 1 else "min",
    }
    if (period := _updates_per_move(model)) is None:
        return rule
    if model.tau == 1:
        return rule | {"target_period": period}
    return rule | {"polyak": model.tau, "averaging_period": period}


def of_copies(model: Any) -> dict[str, Any]:
    """Return what copies that run ahead learn from, for how long, and how the actor learns."""
    sample = unheard(model.replay_buffer, "sample")  # of this or another model: its class is heard
    options: dict[str, Any] = {
        "data": lambda: sample(model.batch_size, env=model.get_vec_normalize_env()),
        "num_updates": _num_updates(model),
        "num_rows": lambda: model.replay_buffer.size() * model.n_envs,
    }
    if not hasattr(model, "critic"):
        return options
    options |= {"policy_optimizer": model.actor.optimizer}
    if not hasattr(model, "actor_target"):
        return options
    delay = {"policy_period": model.policy_delay, "policy_target": model.actor_target}
    return options | delay | {"policy": model.actor}


def _num_updates(model: Any) -> int | None:
    """Return how many updates this call of ``learn`` makes; None: it is not known beforehand."""
    calls, unit = model.train_freq
    if unit.value != "step":
        return None
    each = calls * model.n_envs  # steps to a call of train
    per_call = model.gradient_steps if model.gradient_steps >= 0 else each
    left = model._total_timesteps - max(model.num_timesteps, model.learning_starts)
    return max(1, int(left // each * per_call))


def _updates_per_move(model: Any) -> int | None:
    """Return the updates between two moves of the target; None: they are no whole number."""
    if hasattr(model, "policy_delay"):  # TD3 and DDPG count updates
        return int(model.policy_delay)
    calls, unit = model.train_freq  # of env.step, or episodes, to a call of train
    steps = model.gradient_steps if model.gradient_steps >= 0 else calls * model.n_envs
    if unit.value != "step" or steps == 0:
        return None
    interval = model.target_update_interval
    if hasattr(model, "critic"):  # SAC counts the updates of each call anew
        if steps == 1:
            return 1
        return interval if steps % interval == 0 else None
    between = max(interval // model.n_envs, 1)  # calls of env.step
    return between // calls * steps if between % calls == 0 else None


def _parts(model: Any) -> dict[str, Any]:
    """Return networks, optimiser and loss.

    A quantile loss of n quantiles, summed over them, moves their mean much as a regression of it
    with α = n/2 lr, while targets lie evenly on both sides of each quantile; later by less, and not
    quite that way. Values and kernels of QR-DQN are exact; its step has no map here.
    """
    sb3 = imported("stable_baselines3", "sb3")
    if isinstance(model, sb3.DQN):
        return {
            "q_network": model.q_net,
            "target": model.q_net_target,
            "optimizer": model.policy.optimizer,
            "loss": "huber",
        }
    if hasattr(model, "quantile_net"):  # QR-DQN, without an import of sb3-contrib
        return {
            "q_network": MeanOverQuantiles(model.quantile_net, dim=1),
            "target": MeanOverQuantiles(model.quantile_net_target, dim=1),
            "optimizer": model.policy.optimizer,
            "loss": model.n_quantiles / 2,
            "not_modelled": OF_QUANTILES,
        }
    if not isinstance(model, sb3.TD3 | sb3.SAC):  # DDPG is a TD3
        raise InvalidTypeError(
            "the model must be a DQN, QR-DQN, DDPG, TD3 or SAC",
            got=type(model).__name__,
            remedy="Of others, pass networks and optimizer to qd.attach yourself.",
        )
    critics = {
        "q_network": model.critic,
        "target": model.critic_target,
        "optimizer": model.critic.optimizer,
    }
    if isinstance(model, sb3.TD3):
        return critics | {"loss": "squared", "policy": model.actor_target}
    return critics | {
        "loss": "half_squared",
        "policy": model.actor.action_log_prob,
        "entropy_coefficient": partial(_entropy_coefficient, model),
    }


def _show(
    monitor: Monitor, calls: Calls, sample: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    batch = sample(*args, **kwargs)
    calls.num_drawn += 1
    monitor.show(batch)
    return batch


def _entropy_coefficient(model: Any) -> float:
    tuned = model.log_ent_coef
    return float(model.ent_coef_tensor if tuned is None else tuned.detach().exp())
