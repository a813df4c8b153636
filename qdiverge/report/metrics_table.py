"""The table of every logged number, from what diagnostics, panels and alarm rules declare."""

from collections.abc import Sequence

from qdiverge.diagnostics.catalogue import METRICS, cost_of
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.report.alarm_words import CLASSES, finding_words, rule_needs, rule_words
from qdiverge.report.prose import formula
from qdiverge.report.questions import QUESTIONS
from qdiverge.runs.alarm import WORDS

COLUMNS = ("key", "formula", "unit", "cost", "healthy", "panel", "alarm")
ABOUT_NUMBERS = """\
Where it does not say otherwise, a number is of the probe batch: N transitions (s, a, r, s′, d),
d = 1 where an episode ends, with weights D = 1/N. Q is the network's value, δ the TD error, φ the
features that the output layer reads, α the learning rate, γ the discount; x is the pair (s, a), x′
the greedy pair at s′, K the kernel k(x, x) of the pairs, K′ = γ (1−d) k(x′, x)."""
_ABOUT = f"""\
# Metrics and alarms

Every number that a run logs, every alarm that it can raise, every finding of its audits. Written by
`qdiverge metrics > docs/metrics.md`, from what the code declares; change it there.

## Numbers

{ABOUT_NUMBERS}

Unit Q is that of the rewards. Cost: `light` takes forward passes, `standard` one kernel, `full`
several; `qd.attach(…, cost=…)` says how far to go. Panel: where the report draws the number.
Alarm: the rules that read it.
"""


def metrics_table() -> str:
    """Return the page ``docs/metrics.md``: tables of metrics, alarm rules and findings."""
    rows = []
    for metric in METRICS.values():
        cost = cost_of(metric.key) or "–"
        panels, alarms = panels_of(metric.key), alarms_of(metric.key)
        definition = formula(metric.formula)
        rows.append(
            (f"`{metric.key}`", definition, metric.unit, cost, metric.healthy, panels, alarms)
        )
    classes = [(WORDS[kind], text) for kind, text in CLASSES.items()]
    rules = [
        (f"`{name}`", text, ", ".join(f"`{key}`" for key in rule_needs(name)))
        for name, text in rule_words().items()
    ]
    findings = [(f"`{code}`", text) for code, text in finding_words().items()]
    return "\n".join(
        (
            _ABOUT,
            _table(COLUMNS, rows),
            "## Alarms\n",
            _table(("class", "what it means"), classes),
            _table(("rule", "when", "reads"), rules),
            "## Findings of the audits\n",
            _table(("finding", "says"), findings),
        )
    ).removesuffix("\n")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [columns, ("---",) * len(columns), *rows]
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in cells]
    return "".join(f"| {line} |\n" for line in lines)


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
