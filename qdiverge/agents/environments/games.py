"""Which Atari games there are, and which one a name means."""

import difflib
import re
from pathlib import Path

from qdiverge.errors import InvalidValueError, MissingExtraError

# ale-py ships these ROMs, but in a mode for two players only: no single agent can play them.
TWO_PLAYER_GAMES = frozenset({"combat", "joust", "maze_craze", "warlords"})


def atari_games() -> tuple[str, ...]:
    """Return the ROM names that one agent can play, such as ``"ms_pacman"``.

    Returns:
        Sorted snake_case names: the 108 ROMs of ale-py less the four for two players.

    Raises:
        MissingExtraError: ale-py or gymnasium is not installed.

    >>> len(atari_games()), atari_games()[0]
    (104, 'adventure')
    """
    try:
        from ale_py import roms
    except ImportError as error:
        raise missing_atari_extra() from error
    return tuple(sorted(set(roms.get_all_rom_ids()) - TWO_PLAYER_GAMES))


def environment_id(game: str) -> str:
    """Return the Gymnasium id of a ROM name.

    Returns:
        The id of version 5.

    >>> environment_id("ms_pacman")
    'ALE/MsPacman-v5'
    """
    return f"ALE/{game.title().replace('_', '')}-v5"


def resolve_game(name: str) -> str:
    """Return the ROM that ``name`` means; case, underscores, ``ALE/`` and ``-v5`` do not matter.

    Args:
        name: ``"ALE/MsPacman-v5"``, ``"MsPacman"`` or ``"ms_pacman"``.

    Returns:
        The ROM name in snake_case.

    Raises:
        MissingExtraError: ale-py or gymnasium is not installed.
        InvalidValueError: there is no such game; games with a similar name are suggested.

    >>> resolve_game("ALE/MsPacman-v5"), resolve_game("pong")
    ('ms_pacman', 'pong')
    """
    games = {_bare(game): game for game in atari_games()}
    wanted = re.sub(r"^ALE/|-v5$", "", str(name).strip(), flags=re.IGNORECASE)
    older = re.fullmatch(r"(\w+?)(NoFrameskip|Deterministic)?-v[04]", wanted)
    if older and _bare(older[1]) in games:
        raise InvalidValueError(
            "environment must be an Atari game of version 5",
            got=repr(name),
            remedy=f"Use {environment_id(games[_bare(older[1])])!r}; what older names fix is an "
            "option here: repeat_action_probability (v4: 0).",
        )
    if _bare(wanted) in games:
        return games[_bare(wanted)]
    if _bare(wanted) in {_bare(game) for game in TWO_PLAYER_GAMES}:
        remedy = "That game is for two players only."
    else:
        close = difflib.get_close_matches(_bare(wanted), games, n=3, cutoff=0.5)
        ids = ", ".join(environment_id(games[match]) for match in close)
        remedy = f"Did you mean {ids}?" if ids else "For example 'ALE/Pong-v5'."
    raise InvalidValueError(
        f"environment must be one of the {len(games)} Atari games", got=repr(name), remedy=remedy
    )


def rom_path(game: str) -> Path:
    """Return the ROM file of ``game``, found and verified.

    Raises:
        InvalidValueError: the file is missing or damaged.
    """
    from ale_py import roms

    try:
        path = roms.get_rom_path(game)
    except OSError as error:
        raise InvalidValueError(
            f"the ROM of {game} must be readable and intact",
            got=" ".join(str(error).split()),
            remedy="ale-py carries every ROM: unset ALE_ROMS_DIR, or reinstall with "
            "pip install --force-reinstall ale-py.",
        ) from error
    assert path is not None  # only for names outside ale-py's own list
    return Path(path)


def missing_atari_extra() -> MissingExtraError:
    """Return the error for a machine without the Atari extra."""
    return MissingExtraError(
        "Atari environments need ale-py and gymnasium, which are not installed",
        remedy="Install them: pip install 'qdiverge[atari]'.",
    )


def _bare(name: str) -> str:
    return name.replace("_", "").lower()
