"""Further places for a run's metrics and alarms: TensorBoard, Weights & Biases, MLflow.

Each is one small class with the methods of :class:`qdiverge.runs.Sink`; so is one of your own.
"""

from qdiverge.sinks.find import SINKS, SinkName, as_sink
from qdiverge.sinks.mlflow import MLflow
from qdiverge.sinks.tensorboard import TensorBoard
from qdiverge.sinks.wandb import WandB

__all__ = ["SINKS", "MLflow", "SinkName", "TensorBoard", "WandB", "as_sink"]
