"""Sinks by name, as a command line asks for them."""

from collections.abc import Callable
from typing import Literal

from qdiverge.checks import check_choice
from qdiverge.errors import InvalidTypeError
from qdiverge.runs import Sink
from qdiverge.sinks.mlflow import MLflow
from qdiverge.sinks.tensorboard import TensorBoard
from qdiverge.sinks.wandb import WandB
from qdiverge.thing_checks import type_of

SinkName = Literal["tensorboard", "wandb", "mlflow"]
SINKS: dict[str, Callable[[], Sink]] = {
    "tensorboard": TensorBoard,
    "wandb": WandB,
    "mlflow": MLflow,
}


def as_sink(sink: Sink | str) -> Sink:
    """Return the sink of that name with its defaults, or the sink itself.

    Raises:
        InvalidValueError: there is no sink of that name.
        InvalidTypeError: it lacks a method of :class:`qdiverge.runs.Sink`.
        MissingExtraError: what it writes to is not installed.
    """
    if isinstance(sink, str):
        return SINKS[check_choice("a sink", sink, SINKS)]()
    methods = ("start", "metrics", "alarm", "close")
    lacking = [name for name in methods if not callable(getattr(type(sink), name, None))]
    if lacking or isinstance(sink, type):
        raise InvalidTypeError(
            "a sink must be an object with the methods start, metrics, alarm and close",
            got=type_of(sink) if isinstance(sink, type) else f"{type_of(sink)} without {lacking}",
            remedy="See qdiverge.runs.Sink; the names " + ", ".join(SINKS) + " will do, too.",
        )
    return sink
