"""What the first batch that is shown tells of the networks and of the data."""

import torch
from torch import nn

from qdiverge.diagnostics.batch_checks import why_no_q_values
from qdiverge.diagnostics.quiet import quiet_values
from qdiverge.transitions import Transitions
from qdiverge.update import Finding
from qdiverge.update.auditing.findings import finding


def first_findings(network: nn.Module, batch: Transitions, mixing: str) -> list[Finding]:
    """Return what is wrong, as far as one batch shows it.

    Args:
        network: The Q-network, or a critic.
        batch: N transitions.
        mixing: Why no row has a gradient of its own; "": each has.

    >>> s, a = torch.rand(2, 1), torch.zeros(2).long()
    >>> batch = Transitions(s, a, torch.tensor([1.0, torch.nan]), s, torch.tensor([0.0, 2.0]))
    >>> [str(f) for f in first_findings(nn.Linear(1, 1), batch, "")]  # doctest: +ELLIPSIS
    ['rewards_not_finite: A reward is nan ...', 'flags_out_of_range: A terminal flag is 2 ...']
    """
    findings = [finding("samples_mixed", shown=mixing)] if mixing else []
    rewards, flags = batch.rewards, batch.terminated.double()
    if len(odd := rewards[~torch.isfinite(rewards)]):
        findings.append(finding("rewards_not_finite", shown=f"{float(odd[0])}"))
    if len(odd := flags[~((flags >= 0) & (flags <= 1))]):
        findings.append(finding("flags_out_of_range", shown=f"{float(odd[0]):g}"))
    if not batch.actions.is_floating_point():
        values = quiet_values(network, batch.observations)
        least, most = (int(action) for action in torch.aminmax(batch.actions))
        if values.ndim == 2 and not 0 <= least <= most < values.shape[1]:
            last = values.shape[1] - 1
            findings.append(finding("actions_out_of_range", least=least, most=most, last=last))
        if values.ndim == 2 and (reason := why_no_q_values(values)):
            findings.append(finding("no_q_values", shown=reason))
    return findings
