"""The published scores, against the percentages that the same paper prints in another place."""

import pytest

from qdiverge.agents.environments.games import atari_games, resolve_game
from qdiverge.agents.evaluation.references import human_normalised, references

# Mnih et al. (2015), Figure 3: DQN in per cent of human play, as printed there, without decimals.
FIGURE_3 = {
    "video_pinball": 2539, "boxing": 1707, "breakout": 1327, "star_gunner": 598, "robotank": 508,
    "atlantis": 449, "crazy_climber": 419, "gopher": 400, "demon_attack": 294,
    "name_this_game": 278, "krull": 277, "assault": 246, "road_runner": 232, "kangaroo": 224,
    "jamesbond": 145, "tennis": 143, "pong": 132, "space_invaders": 121, "beam_rider": 119,
    "tutankham": 112, "kung_fu_master": 102, "freeway": 102, "time_pilot": 100, "enduro": 97,
    "fishing_derby": 93, "up_n_down": 92, "ice_hockey": 79, "qbert": 78, "hero": 76, "asterix": 69,
    "battle_zone": 67, "wizard_of_wor": 67, "chopper_command": 64, "centipede": 62,
    "bank_heist": 57, "riverraid": 57, "zaxxon": 54, "amidar": 43, "alien": 42, "venture": 32,
    "seaquest": 25, "double_dunk": 17, "bowling": 14, "ms_pacman": 13, "asteroids": 7,
    "frostbite": 6, "gravitar": 5, "private_eye": 2, "montezuma_revenge": 0,
}  # fmt: skip


def test_there_are_the_49_games_and_each_is_a_rom():
    assert references().keys() == FIGURE_3.keys()
    assert len(references()) == 49
    assert references().keys() <= set(atari_games())
    assert all(resolve_game(game) == game for game in references())


@pytest.mark.parametrize("game", FIGURE_3)
def test_the_table_gives_the_percentages_of_figure_3(game):
    """They depend on all three columns; the paper's figure is within 1.3 of its own table."""
    reference = references()[game]
    assert human_normalised(reference.dqn, reference) == pytest.approx(FIGURE_3[game], abs=1.3)


def test_some_entries_as_the_paper_prints_them():
    table = references()
    assert (table["pong"].random, table["pong"].human) == (-20.7, 9.3)
    assert (table["breakout"].random, table["breakout"].human) == (1.7, 31.8)
    assert (table["seaquest"].random, table["seaquest"].dqn) == (68.4, 5286.0)
    assert human_normalised(-20.7, table["pong"]) == 0.0
    assert human_normalised(31.8, table["breakout"]) == 100.0
