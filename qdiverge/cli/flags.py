"""CleanRL's names of the usual settings, accepted beside ours."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise

from qdiverge.errors import InvalidValueError

CLEANRL_FLAGS = {
    "--env": "--environment",
    "--env-id": "--environment",
    "--total-timesteps": "--total-steps",
    "--gamma": "--discount",
    "--lr": "--learning-rate",
    "--target-network-frequency": "--target-period",
    "--train-frequency": "--train-period",
    "--start-e": "--epsilon-start",
    "--end-e": "--epsilon-end",
    "--prioritized-replay-alpha": "--priority-exponent",
    "--prioritized-replay-beta": "--priority-beta",
    "--n-atoms": "--num-atoms",
    "--v-min": "--value-min",
    "--v-max": "--value-max",
    "--cuda": "--device=cuda",
    "--no-cuda": "--device=cpu",
    "--track": "--sink=wandb",
}
CLEANRL_CONTINUOUS = {
    "--tau": "--polyak",
    "--policy-frequency": "--policy-period",
    "--policy-lr": "--actor-learning-rate",
    "--q-lr": "--learning-rate",
    "--alpha": "--temperature",
    "--autotune": "--tune-temperature",
    "--no-autotune": "--no-tune-temperature",
}  # of its scripts for continuous actions
CLEANRL_OTHERS = {
    "--exp-name": "A run is called after its folder: --out runs/NAME.",
    "--torch-deterministic": "On a CPU every run is; leave it out.",
    "--capture-video": "Film an episode afterwards: qdiverge evaluate RUN --video FILE.gif.",
    "--save-model": "Checkpoints are always kept; leave it out.",
}  # what takes the place of settings that are none here


SWITCHES = ("clip-rewards",)  # with a third state, where nothing is said


def translate_flags(arguments: Sequence[str], *, is_continuous: bool = False) -> list[str]:
    """Return the arguments with CleanRL's flags in our names, and switches with their value.

    Args:
        arguments: The flags.
        is_continuous: Whether they are of an agent with continuous actions.

    >>> translate_flags(["--env-id", "ALE/Pong-v5", "--gamma=0.9", "--start_e", "1"])
    ['--environment', 'ALE/Pong-v5', '--discount=0.9', '--epsilon-start', '1']
    >>> translate_flags(["--tau", "1.0", "--cuda"]), translate_flags(["--tau=0.01"])
    (['--device=cuda'], ['--polyak=0.01'])
    >>> translate_flags(["--no-clip-rewards"])
    ['--clip-rewards=False']

    Raises:
        InvalidValueError: a flag of CleanRL's has no counterpart.
    """
    names = CLEANRL_FLAGS | (CLEANRL_CONTINUOUS if is_continuous else {})
    translated = _target_share([_translate(argument, names) for argument in arguments])
    for i, (flag, following) in enumerate(pairwise([*translated, "--"])):
        for switch in SWITCHES:
            if flag == f"--no-{switch}":
                translated[i] = f"--{switch}=False"
            elif flag == f"--{switch}" and following.startswith("--"):
                translated[i] = f"--{switch}=True"
    return translated


def check_flags(arguments: Sequence[str], names: Iterable[str]) -> None:
    """Refuse a flag that is near another one's name, and say which; others are left to the parser.

    Args:
        arguments: The flags, in our names.
        names: Of all settings that there are.

    Raises:
        InvalidValueError: a flag is mistyped.

    >>> check_flags(["--gama", "0.9"], ["discount", "n_step"])
    Traceback (most recent call last):
    qdiverge.errors.InvalidValueError: there is no flag --gama. Did you mean --gamma?
    """
    ours = {f"--{name.replace('_', '-')}" for name in names}
    known = ours | {flag.replace("--", "--no-", 1) for flag in ours} | {"--help"}
    for argument in arguments:
        flag = argument.partition("=")[0].replace("_", "-")
        if not flag.startswith("--") or flag in known:
            continue
        usual = CLEANRL_FLAGS | CLEANRL_CONTINUOUS
        if close := get_close_matches(flag, sorted(ours | set(usual)), n=1, cutoff=0.75):
            raise InvalidValueError(f"there is no flag {flag}", remedy=f"Did you mean {close[0]}?")


def value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """Return what follows ``flag``, as ``--flag value`` or ``--flag=value``; None without it.

    >>> value_of("--preset", ["--out", "x", "--preset=nature"])
    'nature'
    """
    for argument, following in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        if name == flag:
            return value if equals else following
    return None


def given_fields(names: Iterable[str], arguments: Sequence[str]) -> set[str]:
    """Return which of the settings have a flag among the arguments.

    >>> sorted(given_fields(["noisy", "n_step", "seed"], ["--no-noisy", "--n-step=3"]))
    ['n_step', 'noisy']
    """
    flags = {argument.partition("=")[0].replace("_", "-") for argument in arguments}
    dashed = {name: name.replace("_", "-") for name in names}
    return {name for name, dash in dashed.items() if flags & {f"--{dash}", f"--no-{dash}"}}


def _translate(argument: str, names: Mapping[str, str]) -> str:
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    flag = flag.replace("_", "-")
    if flag in CLEANRL_OTHERS:
        raise InvalidValueError(
            "qdiverge train has no such setting", got=flag, remedy=CLEANRL_OTHERS[flag]
        )
    return names.get(flag, flag) + equals + value


def _target_share(arguments: list[str]) -> list[str]:
    """Write CleanRL's ``--tau`` as ours: 1, its default, is a copy at ``--target-period``."""
    share = value_of("--tau", arguments)
    if share is None:
        return arguments
    at = next(i for i, argument in enumerate(arguments) if argument.startswith("--tau"))
    after = at + (1 if "=" in arguments[at] else 2)
    ours = [] if share in ("1", "1.0") else [f"--polyak={share}"]
    return [*arguments[:at], *ours, *arguments[after:]]
