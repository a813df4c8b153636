"""Runs on a terminal: one block each, which fits the width and shares the height."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from qdiverge.monitor.status_line import WAITING, judge_now, values_now
from qdiverge.plain_text import plain
from qdiverge.report.audit_findings import audit_line
from qdiverge.report.drawing.sparkline import profile
from qdiverge.report.facts import discount_in
from qdiverge.report.follow import Follower, RaisedAlarm
from qdiverge.report.numbers import brief, human, percent, whole
from qdiverge.runs import MEANING
from qdiverge.runs.judgement import WORDS

MARKS = {
    "running": ("●", "green"),
    "unknown": ("○", "yellow"),
    "finished": ("✓", "bold"),
    "interrupted": ("■", "yellow"),
    "alarm": ("▲", "red"),
    "diverged": ("✕", "red"),
    "crashed": ("✕", "red"),
}
STYLES = {
    "diverged": "red",
    "warned": "red",
    "loop": "yellow",
    "unknown": "bright_black",
    "healthy": "green",
}
KINDS = {"divergence": ("▲", "red"), "loop": ("◆", "yellow"), "condition": ("·", "bright_black")}
NUM_ALARMS = 3  # that are shown, the newest
LABEL, VALUE = 16, 11  # columns


@dataclass(frozen=True)
class Curve:
    """A metric with its sparkline."""

    label: str
    key: str
    is_log: bool = False
    is_percent: bool = False


CURVES = (  # the most telling first: a small window shows as many as fit
    Curve("max|Q|", "diverge/q_abs_max", is_log=True),
    Curve("return", "charts/episodic_return"),
    Curve("loss", "losses/td_loss", is_log=True),
    Curve("spectral rate", "diverge/spectral_radius"),
    Curve("self-excitation", "diverge/self_excitation"),
    Curve("row ratio", "diverge/mean_row_ratio", is_log=True),
    Curve("rows that hold", "diverge/fraction_holding", is_percent=True),
    Curve("overhead", "diverge/overhead", is_percent=True),
)


def terminal_page(
    followers: Sequence[Follower], width: int, height: int | None = None
) -> RenderableType:
    """Return the page.

    Args:
        followers: The runs, read.
        width: Columns.
        height: Lines that it may take; None: as many as it needs.
    """
    share = None if height is None else max(height // max(len(followers), 1) - 1, 3)
    blocks: list[Text] = []
    for follower in followers:
        blocks += [Text(), *_block(follower, width, share)]
    return Group(*blocks[1:])


def clock(seconds: float) -> str:
    """Return a span of time as a person says it.

    >>> clock(7.4), clock(75), clock(7_320), clock(180_000)
    ('7 s', '1 min 15 s', '2 h 02 min', '2 d 2 h')
    """
    whole_seconds = round(seconds)
    minutes, s = divmod(whole_seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{hours} h {m:02d} min"
    return f"{minutes} min {s:02d} s" if minutes else f"{s} s"


def _block(follower: Follower, width: int, height: int | None) -> list[Text]:
    lines = [_title(follower, width), _times(follower), *_scores(follower)]
    lines += [*_verdict(follower, width), *_alarms(follower.alarms, width)]
    curves = [curve for curve in CURVES if curve.key in follower.histories]
    room = len(curves) if height is None else max(height - len(lines), 1)
    lines += [_curve(follower, curve, width) for curve in curves[:room]]
    for line in lines:
        line.plain = plain(line.plain)
        line.truncate(width, overflow="ellipsis")
    return lines if height is None else lines[:height]


def _title(follower: Follower, width: int) -> Text:
    mark, style = MARKS.get(follower.status, ("?", "yellow"))
    unit = str(follower.info.get("step_unit", "updates"))
    text = Text.assemble((follower.name, "bold"), "  ", (f"{mark} {follower.status}", style), "  ")
    total = follower.total_steps
    if total is None:
        return text.append(f"{unit} {whole(follower.step)}")
    done = min(follower.step / total, 1.0)
    text.append(f"{whole(follower.step)} of {whole(total)} {unit} ")
    room = min(width - text.cell_len - 7, 30)
    if room >= 8:
        filled = round(done * room)
        text.append("━" * filled, "green").append("━" * (room - filled), "bright_black")
    return text.append(f" {percent(done)}")


def _times(follower: Follower) -> Text:
    parts = [f"{clock(follower.seconds)} {'long' if follower.is_over else 'so far'}"]
    if not follower.is_over and follower.remaining is not None:
        parts.append(f"ETA {clock(follower.remaining)}")
    if follower.pace is not None:
        unit = str(follower.info.get("step_unit", "updates")).rpartition(" ")[2]
        parts.append(f"{human(follower.pace)} {unit}/s")
    if not follower.is_over and (silence := follower.silence) is not None:
        parts.append(f"last sign {clock(silence)} ago")
    if "diverge/overhead" in follower.latest:
        parts.append(f"overhead {percent(follower.latest['diverge/overhead'])}")
    return Text(" · ".join(parts), style="bright_black")


def _scores(follower: Follower) -> list[Text]:
    scores = follower.scores
    if not scores:
        return []
    mean = human(sum(scores) / len(scores))
    return [Text(f"score: last {human(scores[-1])}, mean of the last {len(scores)} {mean}")]


def _verdict(follower: Follower, width: int) -> list[Text]:
    """Say what is wrong with the process, then how the values stand."""
    lines = []
    if follower.status in ("crashed", "unknown"):
        lines += _wrapped(MEANING[follower.status], width, MARKS[follower.status][1])
    if follower.damage:
        lines += _wrapped(follower.damage, width, "yellow")
    lines += _loop(follower, width)
    latest = _bound(follower) | follower.latest
    present = values_now(latest)
    if present == WAITING:
        return [*lines, Text(present, "bright_black")]
    otherwise = str(follower.info.get("measured_otherwise", ""))
    health = judge_now(latest, follower.alarms, otherwise).health
    return lines + _wrapped(f"{WORDS[health]}: {present}", width, STYLES[health])


def _bound(follower: Follower) -> dict[str, float]:
    """Return the bound on rewards within ±1, where none was logged."""
    discount = discount_in(follower.info)
    if discount is None or discount == 1:
        return {}
    return {"diverge/soft_divergence_bound": 1 / (1 - discount)}


def _loop(follower: Follower, width: int) -> list[Text]:
    """Say what the audits of the loop found, or that they found nothing."""
    if (audit := follower.info.get("audit")) is None:
        return []
    num_found = sum(alarm.kind == "loop" for alarm in follower.alarms)
    style = "yellow" if num_found else "bright_black"
    return _wrapped(f"loop: {audit_line(audit, num_found)}", width, style)


def _alarms(alarms: Sequence[RaisedAlarm], width: int) -> list[Text]:
    lines = []
    for alarm in alarms[-NUM_ALARMS:]:
        rule = alarm.rule.replace("_", " ")
        mark, style = KINDS.get(alarm.kind, KINDS["condition"])
        head = f"{mark} step {whole(alarm.step)}, after {clock(alarm.time)}, {rule}: "
        lines += _wrapped(head + alarm.message, width, style)
    return lines


def _curve(follower: Follower, curve: Curve, width: int) -> Text:
    last = follower.latest[curve.key]
    value = percent(last) if curve.is_percent else brief(last)
    drawn = profile(
        follower.histories[curve.key].values, max(width - LABEL - VALUE - 2, 8), is_log=curve.is_log
    )
    text = Text(f"{curve.label:<{LABEL}}{value:>{VALUE}}  ")
    return text.append(drawn, "red" if "×" in drawn else "cyan")


def _wrapped(text: str, width: int, style: str, most: int = 2) -> list[Text]:
    """Return the text on at most ``most`` lines; what does not fit ends in an ellipsis."""
    lines: list[str] = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("  " + word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip() if len(lines) == 1 else f"{lines[-1]} {word}"
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][: width - 1] + " …"]
    return [Text(line, style=style) for line in lines]
