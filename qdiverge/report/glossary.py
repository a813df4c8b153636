"""Every number and every alarm of the page in plain words, from what the code declares of them."""

from collections.abc import Iterable

from qdiverge.diagnostics.catalogue import METRICS, cost_of
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.report.alarm_kinds import kind_label
from qdiverge.report.alarm_words import CLASSES, finding_words, rule_needs, rule_words
from qdiverge.report.drawing.svg import Markup, element, join
from qdiverge.report.metrics_table import ABOUT_NUMBERS
from qdiverge.report.panel import Panel
from qdiverge.report.prose import commas, formula, slug
from qdiverge.report.questions import QUESTIONS

LETTERS = "letters"  # the anchor of what the letters in formulas stand for
_UNITS = {
    "Q": "that of the rewards",
    "1": "none, a plain number",
    "share": "none, a share from 0 to 1",
}
_COSTS = {"light": "forward passes", "standard": "one kernel", "full": "several kernels"}


def term(key: str) -> str:
    """Return the anchor of a number's entry.

    >>> term("diverge/q_abs_max")
    'term-diverge-q-abs-max'
    """
    return f"term-{slug(key)}"


def rule_term(rule: str) -> str | None:
    """Return the anchor of the entry of an alarm rule or a finding; None where there is none.

    >>> rule_term("dead_units"), rule_term("<b>")
    ('alarm-dead-units', None)
    """
    known = {*rule_words(), *finding_words()}
    return f"alarm-{slug(rule)}" if rule in known else None


def linked_rule(rule: str) -> Markup:
    """Return the name of a rule, with a link to its entry where it has one."""
    name, anchor = rule.replace("_", " "), rule_term(rule)
    return join([name]) if anchor is None else link(name, anchor)


def link(text: str, anchor: str) -> Markup:
    """Return a link to another place of the page."""
    return element("a", text, href=f"#{anchor}")


def glossary() -> list[Markup]:
    """Return the entries: the letters, the numbers in the order of the panels, the alarms."""
    return [
        element("p", ABOUT_NUMBERS, id=LETTERS, class_="how"),
        element("h3", "Numbers"),
        element("dl", *(_number(key) for key in _keys())),
        element("h3", "Alarms"),
        element("dl", *(_entry(kind_label(kind), None, [text]) for kind, text in CLASSES.items())),
        element("h3", "Alarm rules"),
        element("dl", *(_rule(name, text) for name, text in rule_words().items())),
        element("h3", "Findings of the audits"),
        element("dl", *(_finding(code, text) for code, text in finding_words().items())),
    ]


def _panels() -> list[Panel]:
    return [panel for question in QUESTIONS for panel in question.panels]


def _keys() -> Iterable[str]:
    """Return the keys of all numbers, in the order in which the page draws them."""
    return dict.fromkeys([*(key for panel in _panels() for key in panel.keys), *METRICS])


def _number(key: str) -> Markup:
    drawn = [panel for panel in _panels() if key in panel.keys]
    metric, cost = METRICS.get(key), cost_of(key)
    parts: list[str] = []
    if metric is not None:
        unit = _UNITS.get(metric.unit, metric.unit)
        parts = [formula(metric.formula), f". Unit: {unit}. Healthy: {metric.healthy}."]
    elif drawn and drawn[0].formula:
        parts = [formula(drawn[0].formula), "."]
    if cost is not None:
        parts.append(f" Cost: {_COSTS[cost]}.")
    if drawn:
        links = (link(panel.title, f"panel-{slug(panel.title)}") for panel in drawn)
        parts += [" Drawn, with how to read it, in ", *commas(links), "."]
    rules = [rule.name for rule in ALARM_RULES if key in {f"diverge/{name}" for name in rule.needs}]
    if rules:
        parts += [" Read by ", *commas(linked_rule(name) for name in rules), "."]
    return _entry(key, term(key), parts)


def _rule(name: str, text: str) -> Markup:
    kinds = {rule.name: rule.kind for rule in ALARM_RULES}
    parts = [text]
    if kinds.get(name) == "condition":
        parts.append(" A note.")
    if keys := rule_needs(name):
        parts += [" It reads ", *commas(link(key, term(key)) for key in keys), "."]
    return _entry(name.replace("_", " "), rule_term(name), parts)


def _finding(code: str, sentence: str) -> Markup:
    return _entry(code.replace("_", " "), rule_term(code), [f"It says: {sentence}"])


def _entry(name: str, anchor: str | None, said: list[str]) -> Markup:
    return join([element("dt", name, id=anchor), element("dd", *said)])
