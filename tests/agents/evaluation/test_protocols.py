"""The protocols' numbers, and which environment takes which."""

import pytest

from qdiverge.agents.evaluation.protocols import MACHADO, NATURE, PROTOCOLS, find_protocol
from qdiverge.errors import InvalidValueError


def test_natures_protocol_has_the_papers_numbers():
    assert (NATURE.episodes, NATURE.epsilon, NATURE.most_noops) == (30, 0.05, 30)
    assert NATURE.max_episode_frames == 5 * 60 * 60  # 5 minutes at 60 Hz
    assert NATURE.repeat_action_probability == 0.0
    assert (MACHADO.repeat_action_probability, MACHADO.training_window) == (0.25, 100)
    assert all(protocol.source for protocol in PROTOCOLS.values())


def test_what_is_changed_is_named_as_a_departure_and_what_is_not_is_not():
    changed = NATURE.changed(episodes=2, epsilon=0.01)
    assert (changed.episodes, changed.epsilon) == (2, 0.01)
    assert changed.departures[-2:] == ("2 instead of 30 episodes", "ε = 0.01 instead of 0.05")
    assert NATURE.changed(episodes=30, epsilon=0.05) == NATURE
    with pytest.raises(InvalidValueError, match="episodes must be an integer of at least 1"):
        NATURE.changed(episodes=0)
    with pytest.raises(InvalidValueError, match="epsilon must lie in"):
        NATURE.changed(epsilon=1.5)


def test_a_protocol_is_for_its_kind_of_environment():
    assert find_protocol(None, is_atari=True, environment="Pong") is NATURE
    assert find_protocol("machado", is_atari=True, environment="Pong") is MACHADO
    for name, is_atari, says in (
        ("nature", False, "for Atari games; got it with CartPole-v1. Take the protocol task"),
        ("task", True, "outside Atari"),
        ("natuer", True, "one of nature, machado, task; got 'natuer'"),
    ):
        with pytest.raises(InvalidValueError, match=says):
            find_protocol(name, is_atari=is_atari, environment="CartPole-v1")
