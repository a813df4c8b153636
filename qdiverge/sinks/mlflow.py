"""MLflow, with a local store or a server."""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qdiverge.checks import check_nonnegative
from qdiverge.runs.alarm import PLACES, AlarmEvent
from qdiverge.thing_checks import check_installed, check_text

MOST_METRICS = 1_000  # that one request may carry
PATIENCE = 60.0  # seconds that the end of a run waits for the server
LONGEST_PARAM = 6_000  # characters that MLflow allows


class MLflow:
    """Log to a run of MLflow, in batches from a thread of its own, so that no update waits.

    Args:
        tracking_uri: Such as ``sqlite:///mlflow.db`` or ``http://host:5000``; None: as the
            environment says (``MLFLOW_TRACKING_URI``).
        experiment: Its name.
        period: Seconds between two batches.

    Raises:
        MissingExtraError: mlflow is not installed.
    """

    def __init__(
        self, tracking_uri: str | None = None, experiment: str = "qdiverge", period: float = 5.0
    ) -> None:
        if tracking_uri is not None:
            check_text("tracking_uri", tracking_uri)
        check_text("experiment", experiment)
        period = check_nonnegative("period", period)
        check_installed("mlflow", "the MLflow sink needs mlflow", "mlflow")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, RunTag

        self._make_client, self._make_metric, self._make_tag = MlflowClient, Metric, RunTag
        self._tracking_uri, self._experiment, self._period = tracking_uri, experiment, period
        self._held: list[Any] = []  # metrics that have not been sent
        self._tags: list[Any] = []
        self._sent_at = time.monotonic()
        self._sender: threading.Thread | None = None
        self._error: Exception | None = None

    def start(self, folder: Path, info: Mapping[str, Any]) -> None:
        """Begin a run of that name, with the settings as its parameters."""
        self._client = self._make_client(tracking_uri=self._tracking_uri)
        existing = self._client.get_experiment_by_name(self._experiment)
        experiment = existing.experiment_id if existing else None
        if experiment is None:
            experiment = self._client.create_experiment(self._experiment)
        run = self._client.create_run(experiment, run_name=str(info.get("name", folder.name)))
        self._run_id = run.info.run_id
        for key, value in dict(info.get("config", {})).items():
            self._client.log_param(self._run_id, key, str(value)[:LONGEST_PARAM])
        for key in ("command", "commit", "hardware", "seed"):
            if info.get(key) is not None:
                self._client.set_tag(self._run_id, key, str(info[key]))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Hold the metrics, and hand a batch over when it is time."""
        now = int(time.time() * 1000)  # milliseconds
        self._held += [self._make_metric(k, float(v), now, step) for k, v in values.items()]
        if time.monotonic() - self._sent_at >= self._period:
            self._send()

    def alarm(self, alarm: AlarmEvent) -> None:
        """Tag the run with the rule and what it says."""
        text = f"step {alarm.step}: {alarm.message}"
        self._tags.append(self._make_tag(f"{PLACES[alarm.kind]}.{alarm.rule}", text))
        self._send()

    def close(self, status: str) -> None:
        """Send what is left, and end the run."""
        self._wait()
        self._send()
        self._wait()
        self._client.set_tag(self._run_id, "qdiverge.status", status)
        ended = {"finished": "FINISHED", "interrupted": "KILLED"}.get(status, "FAILED")
        self._client.set_terminated(self._run_id, ended)

    def _send(self) -> None:
        """Hand the held metrics to the sender, unless it is still busy with the last ones."""
        if self._sender is not None and self._sender.is_alive():
            return
        self._raise()
        batch = self._held, self._tags
        self._held, self._tags, self._sent_at = [], [], time.monotonic()
        self._sender = threading.Thread(target=self._log, args=batch, daemon=True)
        self._sender.start()

    def _log(self, metrics: Sequence[Any], tags: Sequence[Any]) -> None:
        try:
            self._client.log_batch(self._run_id, tags=tags, synchronous=True)
            for start in range(0, len(metrics), MOST_METRICS):
                part = metrics[start : start + MOST_METRICS]
                self._client.log_batch(self._run_id, metrics=part, synchronous=True)
        except Exception as error:  # raised in the run's own thread, at the next batch
            self._error = error

    def _wait(self) -> None:
        if self._sender is not None:
            self._sender.join(PATIENCE)
            if self._sender.is_alive():
                raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
