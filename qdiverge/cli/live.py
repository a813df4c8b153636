"""Progress of a run: a live panel on a terminal, plain lines otherwise."""

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from qdiverge.agents.records import EpisodeEnd, Progress, RunEnd, UpdateRecord
from qdiverge.monitor import AlarmEvent, Monitor
from qdiverge.report.drawing.sparkline import sparkline

COLOURS = {"divergence": "red", "loop": "yellow"}
STYLES = {"divergence": "bold red", "loop": "bold yellow", "condition": "bright_black"}
PLAIN_PERIOD = 15.0  # seconds between plain lines


class Live:
    """Shows a run while it goes on; a context manager.

    Where the terminal is gone the run goes on without; whoever reads a pipe and closes it ends it.

    Args:
        title: The run's name.
        total_steps: Agent steps at which it ends.
        seconds: Wall-clock limit; None: none.
    """

    def __init__(self, title: str, total_steps: int, seconds: float | None) -> None:
        self._title, self._total_steps, self._seconds = title, total_steps, seconds
        self._console = Console()
        self._live = RichLive(console=self._console, refresh_per_second=4, transient=True)
        self._start = self._said = time.monotonic()
        self._score: float | None = None
        self._steps_per_second = 0.0
        self._step = 0
        self._magnitudes: list[float] = []
        self._is_gone = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._show(self._live.start)
        return self

    def __exit__(self, *error: object) -> None:
        if self._console.is_terminal:
            self._show(self._live.stop)

    def remark(self, text: str) -> None:
        """Say something about the run, where it stays on the screen."""
        self._print(Text(f"{self._title}: {text}"))

    def alarm(self, alarm: AlarmEvent) -> None:
        """Say an alarm, a finding or a note at once, where it stays on the screen."""
        text = f"{self._title}: {alarm.word} at step {alarm.step}: {alarm.message}"
        self._print(Text(text, style=STYLES[alarm.kind]))

    def update(self, record: Progress, monitor: Monitor) -> None:
        """Show a record of the trainer and what the monitor says of it."""
        self._step = record.step
        if isinstance(record, EpisodeEnd):
            self._score = record.score
        elif isinstance(record, UpdateRecord):
            self._steps_per_second = record.steps_per_second
            if "diverge/q_abs_max" in monitor.latest:
                self._magnitudes.append(monitor.latest["diverge/q_abs_max"])
        if self._console.is_terminal:
            self._show(lambda: self._live.update(self._panel(monitor)))
        elif time.monotonic() - self._said >= PLAIN_PERIOD or isinstance(record, RunEnd):
            self._said = time.monotonic()
            self._print(f"{self._title}: {self._line()}; {monitor.verdict}")

    def _print(self, text: Text | str) -> None:
        self._show(lambda: self._console.print(text, soft_wrap=True))

    def _show(self, show: Callable[[], object]) -> None:
        if self._is_gone:
            return
        try:
            show()
        except BrokenPipeError:
            raise
        except OSError:
            self._is_gone = True

    def _line(self) -> str:
        seconds = time.monotonic() - self._start
        parts = [
            f"{seconds:.0f} s",
            f"step {self._step:,}",
            f"{self._steps_per_second:.0f} steps/s",
        ]
        if self._score is not None:
            parts.append(f"last score {self._score:g}")
        return ", ".join(parts)

    def _panel(self, monitor: Monitor) -> RenderableType:
        done = self._step / self._total_steps
        if self._seconds is not None:
            done = max(done, (time.monotonic() - self._start) / self._seconds)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(self._title, style="bold"),
            ProgressBar(total=1.0, completed=min(done, 1.0), width=30),
            self._line(),
        )
        kinds = {alarm.kind for alarm in monitor.alarms}
        style = next((colour for kind, colour in COLOURS.items() if kind in kinds), "green")
        curve = Text(f"  max|Q| {sparkline(self._magnitudes)}", style=style)
        return Group(head, Text(f"  {monitor.verdict}", style=style), curve)
