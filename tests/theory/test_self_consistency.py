"""Which growing modes keep their greedy actions, and where the others lead."""

import torch

from qdiverge.theory.self_consistency import GrowingMode, follow, is_self_consistent
from tests.theory.problems import F


def mode(eigenvalue, growth):
    return GrowingMode(eigenvalue, torch.tensor(growth))


def test_one_sign_must_suit_every_row():
    q = [[2.0, 1.0], [1.0, 2.0]]
    assert is_self_consistent(mode(1.1 + 0j, q), torch.tensor([0, 1]))
    assert is_self_consistent(mode(1.1 + 0j, q), torch.tensor([1, 0]))  # −v
    assert not is_self_consistent(mode(1.1 + 0j, q), torch.tensor([0, 0]))


def test_rotation_is_kept_only_by_ties():
    tied, untied = [[1 + 1j, 1 + 1j]], [[1 + 1j, 1 - 1j]]
    assert is_self_consistent(mode(1 + 0.5j, tied), torch.tensor([0]))
    assert not is_self_consistent(mode(1 + 0.5j, untied), torch.tensor([0]))


def test_phase_of_an_eigenvector_does_not_matter():
    q = torch.tensor([[2.0, 1.0], [0.5, -1.0]], dtype=F)
    for phase in (1, 1j, -1, (1 - 2j) / 5**0.5):
        turned = GrowingMode(1.2 + 0j, q * phase)
        assert is_self_consistent(turned, torch.tensor([0, 0]))
        assert not is_self_consistent(turned, torch.tensor([1, 0]))


def test_follow_switches_until_the_actions_stay():
    """At action 0 growth favours 1; at 1 it favours 1 too, so the mode there keeps its own."""
    modes = {0: mode(1.1 + 0j, [[1.0, 2.0]]), 1: mode(1.3 + 0j, [[1.0, 3.0]])}
    found = follow(lambda actions: modes[int(actions)], torch.tensor([0]))
    assert found is not None
    assert found[0].eigenvalue == 1.1  # −v keeps action 0 already
    three = {
        0: mode(1.1 + 0j, [[1.0, 2.0, 0.0]]),
        1: mode(1.3 + 0j, [[1.0, 3.0, 0.0]]),
        2: None,
    }
    reached = follow(lambda actions: three[int(actions)], torch.tensor([0]))
    assert reached is not None
    assert reached[0].eigenvalue == 1.3
    assert int(reached[1]) == 1


def test_follow_gives_up_where_growth_ends_or_cycles():
    ends = {0: mode(1.1 + 0j, [[1.0, 2.0, 0.0]]), 1: None, 2: None}
    assert follow(lambda actions: ends[int(actions)], torch.tensor([0])) is None
    cycle = {
        0: mode(1.1 + 0j, [[1.0, 2.0, 0.0]]),
        1: mode(1.1 + 0j, [[2.0, 1.0, 0.0]]),
        2: mode(1.1 + 0j, [[2.0, 1.9, 1.95]]),
    }
    assert follow(lambda actions: cycle[int(actions)], torch.tensor([0])) is None
    assert follow(lambda _: None, torch.tensor([0])) is None
