"""The table of every logged number, from what diagnostics, panels and alarm rules declare."""

from qdiverge.diagnostics.catalogue import METRICS, cost_of
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.report.questions import QUESTIONS

COLUMNS = ("key", "formula", "unit", "cost", "healthy", "panel", "alarm")
ABOUT_NUMBERS = """\
Where it does not say otherwise, a number is of the probe batch: N transitions (s, a, r, s′, d),
d = 1 where an episode ends, with weights D = 1/N. Q is the network's value, δ the TD error, φ the
features that the output layer reads, α the learning rate, γ the discount; x is the pair (s, a), x′
the greedy pair at s′, K the kernel k(x, x) of the pairs, K′ = γ (1−d) k(x′, x)."""
_ABOUT = f"""\
# What a run logs

Written by `qdiverge metrics > docs/metrics.md`, from what the code declares; change it there.

{ABOUT_NUMBERS}

Unit Q is that of the rewards. Cost: `light` takes forward passes, `standard` one kernel, `full`
several; `qd.attach(…, cost=…)` says how far to go. Panel: where the report draws the number.
Alarm: the rules that read it.
"""


def metrics_table() -> str:
    """Return the page ``docs/metrics.md``: a row of Markdown for each declared metric."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for metric in METRICS.values():
        cost = cost_of(metric.key) or "–"
        panels, alarms = panels_of(metric.key), alarms_of(metric.key)
        rows.append(
            (f"`{metric.key}`", metric.formula, metric.unit, cost, metric.healthy, panels, alarms)
        )
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return f"{_ABOUT}\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def panels_of(key: str) -> str:
    """Return the titles of the report's panels that draw ``key``, separated by commas.

    >>> panels_of("diverge/srank"), panels_of("not/logged")
    ('Rank of the features', '')
    """
    panels = [panel for question in QUESTIONS for panel in question.panels]
    return ", ".join(panel.title for panel in panels if key in panel.keys)


def alarms_of(key: str) -> str:
    """Return the names of the alarm rules that read ``key``, separated by commas.

    >>> alarms_of("diverge/srank"), alarms_of("not/logged")
    ('rank_collapse', '')
    """
    return ", ".join(r.name for r in ALARM_RULES if key in {f"diverge/{name}" for name in r.needs})
