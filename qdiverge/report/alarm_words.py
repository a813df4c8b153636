"""What each class of alarm, each rule and each finding of an audit says, in plain words."""

import inspect
import re
from collections.abc import Mapping
from typing import Final

from qdiverge.monitor.foresight.outlook import FORESEEN
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.runs.alarm import Kind
from qdiverge.update.auditing.findings import SENTENCES

CLASSES: Final[Mapping[Kind, str]] = {
    "divergence": "The values leave what any policy can earn, or will. It alone can end a run.",
    "loop": "An audit of an update found that the loop trains something else than it says.",
    "condition": "Of the network: it tells fewer states apart than it could. The run goes on.",
}
_OTHER_RULES = {
    FORESEEN: "Fire when copies of the run that trained ahead by its own rule have diverged.",
    "loss_not_finite": "Fire when the training loss is NaN or infinite.",
}


def rule_words() -> dict[str, str]:
    """Return each alarm rule with when it fires, the first sentence of its description.

    >>> rule_words()["loss_not_finite"]
    'It fires when the training loss is NaN or infinite.'
    """
    described = {rule.name: inspect.getdoc(rule.check) or "" for rule in ALARM_RULES}
    texts = {name: text.partition("\n")[0] for name, text in described.items()} | _OTHER_RULES
    return {name: text.replace("Fire ", "It fires ", 1) for name, text in texts.items()}


def rule_needs(rule: str) -> list[str]:
    """Return the keys that a rule reads, sorted.

    >>> rule_needs("rank_collapse"), rule_needs("loss_not_finite")
    (['diverge/srank'], [])
    """
    needs = next((sorted(r.needs) for r in ALARM_RULES if r.name == rule), [])
    return [f"diverge/{need}" for need in needs]


def finding_words() -> dict[str, str]:
    """Return the sentence of each finding, with what is measured named in its place.

    >>> finding_words()["flags_out_of_range"]
    'A terminal flag is ‹shown› in the first batch: 0 or 1 is expected.'
    """
    return {code: _named(sentence.replace("{hint}", "")) for code, sentence in SENTENCES.items()}


def _named(sentence: str) -> str:
    return re.sub(r"\{(\w+)[^}]*\}", lambda match: f"‹{match[1].replace('_', ' ')}›", sentence)
