"""What an audit finds: a code for programs, a sentence for people, and the numbers behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# code → what to say; {…} are entries of the evidence
SENTENCES = {
    "terminals_bootstrapped": (
        "Terminal states keep {kept:.0%} of their bootstrap: is (1 − done) missing?"
    ),
    "truncations_masked": (
        "Truncated rows bootstrap {kept:.0%} of what they should: is a time limit taken for an end?"
    ),
    "discount_differs": "The gradient shows γ = {shown:.5g}, declared is {declared:.5g}{hint}.",
    "bootstrap_differs": "The targets bootstrap by {shown}, not by {declared} as declared{hint}.",
    "wrong_actions": "The gradient is of Q at other actions than the batch shows: {shown}.",
    "gradients_accumulate": (
        "{unexplained:.2g} of |g|² is not of this batch{hint}: is optimizer.zero_grad() missing?"
    ),
    "other_loss": "{unexplained:.2g} of |g|² is not of this batch's TD errors: {shown}.",
    "broadcast": (
        "Every Q is pulled to every target: is a [B, 1] tensor subtracted from a [B] one?"
    ),
    "rewards_differ": "The targets use other rewards than the batch shows: {shown}.",
    "targets_differ": (
        "The TD targets are none that r, γ, d and the networks shown can give: noisy rewards, "
        "other successors, or a target network that was re-bound to another object?"
    ),
    "successors_differ": "The targets use other successors than the batch shows: {shown}.",
    "no_stop_gradient": "{shown}: are torch.no_grad() or detach() missing around the target?",
    "target_never_moves": (
        "The target network has not moved in {num_updates} updates: is it copied, and is this the "
        "object that the loop uses?"
    ),
    "optimizer_never_steps": (
        "The network has moved over {num_batches} batches in which the watched optimiser made no "
        "step: was it made anew? Attach again, to the one that steps now."
    ),
    "optimizer_replaced": (
        "Another {optimizer} trains the network since update {update}, {num_missed} steps of it "
        "unseen: the watched one was replaced. The monitor goes on with the new one."
    ),
    "network_replaced": (
        "The optimiser no longer trains the network that is watched, from update {update} on: was "
        "the network made anew? Attach again, to the one that learns now."
    ),
    "batches_without_updates": (
        "{num_batches} batches came since update {update} and the watched optimiser made no step: "
        "pass the optimizer whose step() the loop calls."
    ),
    "updates_without_batches": (
        "{num_updates} updates came and no batch was shown: pass each one through the monitor, "
        "data = monitor.batch(data)."
    ),
    "samples_mixed": (
        "Q of a row depends on what stands beside it, so that no kernel is its own: {shown}"
    ),
    "no_q_values": "The network returns no Q-values but {shown}: is it the policy?",
    "rewards_not_finite": "A reward is {shown} in the first batch: which step made it?",
    "actions_out_of_range": (
        "Actions are {least} … {most} in the first batch, and the network values 0 … {last}: is "
        "this its network, and are they numbered from 0?"
    ),
    "flags_out_of_range": "A terminal flag is {shown} in the first batch: 0 or 1 is expected.",
    "parameters_without_gradient": "{names} {shown}.",
    "weighted": "The samples are weighted otherwise than shown: {shown}.",
    "clipped": (
        "The gradient is {scale:.3g} of the loss's: it is clipped{hint}, or the loss is scaled."
    ),
    "loss_differs": "The gradient is of the loss {shown!r}, declared is {declared!r}.",
    "state_never_updated": (
        "s' equals s in {share:.0%} of the rows: is the observation overwritten before it is kept?"
    ),
    "constant_rows": "All {num_rows} observations are the same: is one buffer reused for all?",
    "successors_do_not_follow": (
        "s' is the next row's s in {share:.0%} of the rows that no end separates{hint}."
    ),
    "repeated_rows": "{share:.0%} of the rows repeat the row before: is each stored twice?",
    "actions_shifted": "What s → s' does follows the action {offset:+d} rows away, not its own.",
    "rewards_shifted": "The rewards go with the transition {offset:+d} rows away, not their own.",
    "terminals_never_come": (
        "{num_episodes} episodes of differing length end, none with a terminal flag: is it stored?"
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a loop or its data.

    Attributes:
        code: Which.
        message: What is wrong, and where to look, in a sentence.
        evidence: The numbers that it rests on.
    """

    code: str
    message: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def finding(code: str, **evidence: Any) -> Finding:
    """Return the finding of a code with its sentence.

    >>> print(finding("terminals_bootstrapped", kept=0.97))
    terminals_bootstrapped: Terminal states keep 97% of their bootstrap: is (1 − done) missing?
    """
    evidence = {"hint": ""} | evidence
    message = SENTENCES[code].format_map(evidence)
    return Finding(code, message, {k: v for k, v in evidence.items() if k != "hint"})
