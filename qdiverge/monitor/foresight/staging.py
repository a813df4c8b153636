"""Set the stage for copies of a watched run: by the rule that it was seen to train by."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.shown_batch import Shown
from qdiverge.monitor.subject import Subject
from qdiverge.rehearsal.stage import Stage, stage_of
from qdiverge.rehearsal.what_if import DEFAULTS
from qdiverge.update import UpdateRule
from qdiverge.update.rule import RuleLoss
from qdiverge.update.td_update import rows_of

ASSUMED_LOSSES: tuple[RuleLoss, ...] = ("half_squared", "huber")  # the same while |δ| ≤ 1


def why_never(subject: Subject, options: ForesightOptions, *, is_critic: bool) -> str:
    """Return why no copy of this run can be faithful; "" where one can."""
    if not options.is_on:
        return "it was not asked for"
    if options.of_copies.get("update") is not None:
        return ""
    if reason := subject.options.not_modelled or subject.options.rule.get("not_modelled", ""):
        return str(reason)
    if isinstance(subject.options.loss, int | float):
        return "its loss is known by its step alone: pass foresight={'update': …}"
    if is_critic and subject.policy is None:
        return "of its critics the next action is not known: pass policy=…"
    return ""


def rule_of_copies(subject: Subject, options: ForesightOptions) -> UpdateRule:
    """Return the run's rule as it is known now; an update of the run's own may move the target."""
    rule = subject.rule
    if options.of_copies.get("update") is None:
        return rule
    return replace(rule, polyak=None, averaging_period=1)


def is_known(rule: UpdateRule, subject: Subject, options: ForesightOptions) -> bool:
    """Return whether the rule says enough: how the target follows, and a step that moves."""
    is_followed = not subject.targets or (rule.target_period or rule.polyak) is not None
    is_own = options.of_copies.get("update") is not None
    return rule.learning_rate > 0 and (is_followed or is_own)


def stages(
    subject: Subject,
    options: ForesightOptions,
    data: Any,
    *,
    since_copy: int,
    limit: float,
    is_learnt: bool = True,
) -> Sequence[Stage]:
    """Return the stage; two, where no one has said or seen by which loss the run learns.

    Args:
        subject: The run.
        options: What is said of it besides.
        data: What copies learn from.
        since_copy: Updates since the target was copied.
        limit: The size from which the run's values count as divergent, by what was seen of it.
        is_learnt: Whether copies are to learn by the rule; False: only what is looked at is needed.
    """
    rule = rule_of_copies(subject, options)
    is_unsure = rule.sources["loss"] == "assumed" and options.of_copies.get("update") is None
    losses = ASSUMED_LOSSES if is_unsure else (rule.loss,)
    networks, targets = subject.networks, subject.targets
    arguments: dict[str, Any] = {
        "optimizer": subject.optimizer,
        "target": targets[0] if len(targets) == 1 else targets or None,
        "policy": subject.policy,
        "since_copy": since_copy,
        "reward_bound": subject.options.reward_bound,
        **options.of_copies,
    }
    if not is_learnt:
        arguments["update"] = lambda *_: None
    network = networks[0] if len(networks) == 1 else networks
    given = DEFAULTS | arguments
    made = [stage_of(network, data, **given | {"rule": replace(rule, loss=x)}) for x in losses]
    return [replace(stage, limit=max(stage.limit, limit)) for stage in made]


def in_own_order(frozen: Stage, under_way: Shown) -> Stage:
    """Return a stage whose first copy learns in the run's own order, from the batch under way on.

    Args:
        frozen: That of a function that draws as the run does.
        under_way: What the run was shown last.
    """
    batches = frozen.batches
    first = rows_of(under_way).to(batches.device, batches.dtype)
    return replace(frozen, batches=replace(batches, under_way=(first,)))
