"""CleanRL's names of the usual settings, accepted beside ours."""

from collections.abc import Sequence

CLEANRL_FLAGS = {
    "--env": "--environment",
    "--env-id": "--environment",
    "--total-timesteps": "--total-steps",
    "--gamma": "--discount",
    "--target-network-frequency": "--target-period",
    "--train-frequency": "--train-period",
    "--start-e": "--epsilon-start",
    "--end-e": "--epsilon-end",
    "--prioritized-replay-alpha": "--priority-exponent",
    "--prioritized-replay-beta": "--priority-beta",
}


def translate_flags(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with CleanRL's flags in our names.

    >>> translate_flags(["--env-id", "ALE/Pong-v5", "--gamma=0.9", "--start_e", "1"])
    ['--environment', 'ALE/Pong-v5', '--discount=0.9', '--epsilon-start', '1']
    """
    return [_translate(argument) for argument in arguments]


def _translate(argument: str) -> str:
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    flag = flag.replace("_", "-")
    return CLEANRL_FLAGS.get(flag, flag) + equals + value
