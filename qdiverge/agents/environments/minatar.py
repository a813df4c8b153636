"""MinAtar (Young & Tian 2019, arXiv:1903.03176): five small Atari games on a grid of 10 x 10.

The games are MinAtar's own; what is around them is done here, since importing the ``minatar``
package brings in seaborn, pandas and matplotlib (3 s), and since of its Gymnasium environment

1. ``reset(seed)`` leaves the last action, which a sticky action repeats: after any history, it is
   not a new environment's. Here: it is forgotten where a seed is given.
2. Freeway's end after 2,500 steps, which no observation shows, counts as terminated. Here: it
   truncates, so that learners bootstrap from it.
3. Observations are [height, width, channels] and actions what its list of them says. Here:
   [channels, height, width], and 0 … A − 1.

Its random numbers are drawn in the same order, so episodes equal those of ``minatar.Environment``.
Difficulty ramps, as by default there.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.errors import InvalidValueError, MissingExtraError

GAMES = {  # as Gymnasium spells it → as MinAtar names the file
    "Asterix": "asterix",
    "Breakout": "breakout",
    "Freeway": "freeway",
    "Seaquest": "seaquest",
    "SpaceInvaders": "space_invaders",
}
NUM_ACTIONS = 6  # of all games together: none, left, up, right, down, fire
STICKINESS = 0.1  # of its default; section 2.2
MAX_STEPS = 108_000  # a bound on games that never end; no paper's


class MinAtarGame:
    """One game; observations are booleans [C, 10, 10], a channel for each kind of object.

    Args:
        name: Its id, see :func:`resolve_minatar`; ``-v1`` has the actions that matter in the game,
            ``-v0`` all six, as in the paper.
        repeat_action_probability: How often the last action is repeated instead.
        max_steps: Steps after which an episode is truncated.

    Raises:
        InvalidValueError: there is no such game.
        MissingExtraError: minatar is not installed.

    >>> game = MinAtarGame("MinAtar/Breakout-v1")
    >>> game.shape, game.num_actions
    ((4, 10, 10), 3)
    >>> first = game.reset(seed=1)
    >>> int(first[3].sum())  # bricks
    30
    """

    dtype = np.bool_

    def __init__(
        self,
        name: str,
        *,
        repeat_action_probability: float = STICKINESS,
        max_steps: int = MAX_STEPS,
    ) -> None:
        resolved = resolve_minatar(name)
        if resolved is None:
            raise _unknown(name)
        self.name = resolved
        game, _, version = resolved.removeprefix("MinAtar/").partition("-")
        self._game = _module(GAMES[game]).Env(ramping=True)
        self._ends_by_the_clock = game == "Freeway"
        self._actions = list(range(NUM_ACTIONS))
        if version == "v1":
            self._actions = self._game.minimal_action_set()
        height, width, channels = self._game.state_shape()
        self.shape = (channels, height, width)
        self.num_actions, self.action_size = len(self._actions), 0
        self._stickiness = repeat_action_probability
        self._max_steps = max_steps
        self._random = self._game.random
        self._last_action, self._steps = 0, 0

    def reset(self, seed: int | None = None) -> NDArray[np.bool_]:
        """Begin an episode; with a seed, as a new game of that seed would.

        Args:
            seed: Of all that follows; None goes on with the present random numbers.

        Returns:
            The first observation.
        """
        if seed is not None:  # games draw from numpy's older generator
            self._random = self._game.random = np.random.RandomState(seed)
            self._last_action = 0
        self._game.reset()
        self._steps = 0
        return self._state()

    def step(self, action: int) -> tuple[NDArray[np.bool_], float, bool, bool]:
        """Take one step, with the last action in place of ``action`` where it sticks.

        Args:
            action: 0 … A − 1.

        Returns:
            The observation, the reward, terminated, truncated.
        """
        if self._random.random_sample() >= self._stickiness:
            self._last_action = self._actions[action]
        reward, is_over = self._game.act(self._last_action)
        self._steps += 1
        terminated = bool(is_over) and not self._ends_by_the_clock
        truncated = (is_over and self._ends_by_the_clock) or self._steps >= self._max_steps
        return self._state(), float(reward), terminated, bool(truncated and not terminated)

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def _state(self) -> NDArray[np.bool_]:
        state: NDArray[np.bool_] = self._game.state()
        return state.transpose(2, 0, 1)


def resolve_minatar(name: str) -> str | None:
    """Return the MinAtar id that ``name`` means, whatever its case, underscores and version.

    Args:
        name: ``"MinAtar/Breakout-v1"``, ``"MinAtar/Breakout"`` or ``"Breakout-MinAtar"``.

    Returns:
        The id as Gymnasium would spell it; None where ``name`` does not speak of MinAtar.

    Raises:
        InvalidValueError: it does, but there is no such game.

    >>> resolve_minatar("Breakout-MinAtar"), resolve_minatar("minatar/space_invaders-v0")
    ('MinAtar/Breakout-v1', 'MinAtar/SpaceInvaders-v0')
    >>> resolve_minatar("ALE/Breakout-v5") is None
    True
    """
    spoken = re.fullmatch(r"minatar/(\w+?)(-v\d+)?|(\w+)-minatar", name.strip(), re.IGNORECASE)
    if spoken is None:
        return None
    bare = (spoken[1] or spoken[3]).replace("_", "").lower()
    game = next((known for known in GAMES if known.lower() == bare), None)
    version = spoken[2] or "-v1"
    if game is None or version not in ("-v0", "-v1"):
        raise _unknown(name)
    return f"MinAtar/{game}{version}"


def _unknown(name: str) -> InvalidValueError:
    return InvalidValueError(
        "environment must be one of the five MinAtar games, version 0 (all six actions) or 1 "
        "(those that matter)",
        got=repr(name),
        remedy=f"They are {', '.join(f'MinAtar/{game}-v1' for game in GAMES)}.",
    )


@cache
def _module(game: str) -> Any:
    """Return the file of one game, executed without the package around it."""
    package = importlib.util.find_spec("minatar")
    if package is None or package.origin is None:
        raise MissingExtraError(
            "MinAtar games need minatar, which is not installed",
            remedy="Install it: pip install 'qdiverge[minatar]'; or, without pandas, seaborn and "
            "matplotlib, of which nothing is needed: pip install --no-deps minatar.",
        )
    path = Path(package.origin).parent / "environments" / f"{game}.py"
    spec = importlib.util.spec_from_file_location(f"_minatar_{game}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
