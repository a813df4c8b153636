"""What several updates tell, and the data in its order."""

import pytest
import torch

import qdiverge as qd
from experiments.audit.loops import Loop


def play(num=200, seed=0):
    """Return a walk on a line, in order: s' = s + a − 1, an episode ends beyond ±6."""
    generator = torch.Generator().manual_seed(seed)
    rows: list = []
    s = torch.zeros(2)
    for _ in range(num):
        a = int(torch.randint(3, (), generator=generator))
        noise = 0.1 * torch.randn(2, generator=generator)
        following = s + torch.tensor([a - 1.0, 0.5 * (a == 2)]) + noise
        end = abs(float(following[0])) > 6
        rows.append((s, a, float(following[0] - s[0]), following, float(end)))
        s = torch.zeros(2) if end else following
    o, acts, r, f, d = zip(*rows, strict=True)
    return {
        "observations": torch.stack(o), "actions": torch.tensor(acts), "rewards": torch.tensor(r),
        "next_observations": torch.stack(f), "terminated": torch.tensor(d),
    }  # fmt: skip


def codes(findings):
    return [f.code for f in findings]


def test_each_thing_is_said_once_and_a_look_between_audits_is_none():
    loop = Loop("mlp", masks=False)
    auditor = qd.Auditor(loop.q_net, every=10, **loop.options())
    told = []
    for _ in range(25):
        loop.shown = loop.draw()
        loop.optimizer.zero_grad()
        loop.backward()
        told += auditor.look(loop.shown)
        loop.optimizer.step()
    assert codes(told) == codes(auditor.findings) == ["terminals_bootstrapped"]
    assert auditor.num_looks == 25


def test_a_second_look_tells_another_loss_from_old_gradients():
    loop = Loop("mlp").train()
    auditor = qd.Auditor(loop.q_net, every=1, **loop.options())
    for _ in range(3):
        loop.shown, other = loop.draw(), loop.draw()
        values = torch.stack(loop.values(loop.q_net, other["observations"], other["actions"]))
        loop.optimizer.zero_grad()
        loop.backward(extra=values.square().mean())
        auditor.look(loop.shown)
        loop.optimizer.step()
    assert codes(auditor.findings) == ["other_loss"]


def test_a_target_that_is_copied_now_and_then_moves():
    loop = Loop("mlp")
    auditor = qd.Auditor(loop.q_net, every=5, target_patience=50, **loop.options())
    for update in range(120):
        loop.optimizer.zero_grad()
        loop.backward()
        auditor.look(loop.shown)
        loop.optimizer.step()
        if update % 30 == 29:
            loop.target.load_state_dict(loop.q_net.state_dict())
    assert auditor.findings == []


def test_a_sound_replay_has_no_finding():
    assert qd.audit_data(play()) == []


@pytest.mark.parametrize("offset", [-1, 1])
def test_a_shifted_column_is_named_with_its_offset(offset):
    replay = play()  # in row t now stands what belongs to row t + offset
    (found,) = qd.audit_data(replay | {"actions": replay["actions"].roll(-offset)})
    assert (found.code, found.evidence["offset"]) == ("actions_shifted", -offset)
    (found,) = qd.audit_data(replay | {"rewards": replay["rewards"].roll(-offset)})
    assert (found.code, found.evidence["offset"]) == ("rewards_shifted", offset)


def test_bugs_of_the_data_are_named():
    replay = play()
    s, following = replay["observations"], replay["next_observations"]
    changed = {
        "state_never_updated": {"next_observations": s},
        "constant_rows": {"observations": s[:1].expand_as(s)},
        "successors_do_not_follow": {"next_observations": following + 1},
        "terminals_never_come": {"terminated": torch.zeros(200)},
    }
    for code, change in changed.items():
        assert codes(qd.audit_data(replay | change)) == [code]
    twice = {name: column.repeat_interleave(2, 0) for name, column in replay.items()}
    assert codes(qd.audit_data(twice)) == ["repeated_rows"]
