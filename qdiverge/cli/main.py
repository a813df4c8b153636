"""Find the command, run it, and turn what goes wrong into one line and an exit status."""

import contextlib
import difflib
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from qdiverge.cli.interrupt import calling_at_stop, interrupt
from qdiverge.cli.say import say
from qdiverge.errors import DivergenceError, MissingExtraError, QDivergeError

# name → what it does; its module of that name is imported only when it is called
COMMANDS = {
    "demo": "train on Pong for a few minutes, watched; ends with a report",
    "train": "train an agent with the diagnostics attached",
    "preflight": "rehearse a run's first updates before it begins",
    "resume": "go on with a run from its newest checkpoint",
    "evaluate": "play episodes under a published protocol",
    "diagnose": "the full diagnosis of a saved moment of a run",
    "rehearse": "run ahead from a saved moment: will it diverge?",
    "report": "write one self-contained report.html for one or more runs",
    "watch": "look at a run while it goes on, from another terminal",
    "export": "write a run's time series as a table, CSV or Parquet",
    "inspect": "write one page on a single moment of a run",
    "metrics": "what each logged number is: formula, unit, healthy range",
}
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # nobody's usage is at fault
NO_MEMORY = ("can't allocate memory", "out of memory")  # as PyTorch says it
OK, FAILED, BAD_USAGE, DIVERGED = 0, 1, 2, 3

USAGE = """\
usage: qdiverge COMMAND [options]

See deep Q-learning diverge before it does.

commands:
{commands}

`qdiverge COMMAND -h` shows the options of each.
exit status: 0 done, 2 bad usage, 3 the run diverged, or an alarm stopped it, 1 anything else
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    Args:
        arguments: What follows ``qdiverge`` on the command line; None: ``sys.argv``.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if not _is_text(given):
        return _fail(BAD_USAGE, "the arguments must be a list of text.")
    try:
        try:
            with calling_at_stop(interrupt, ["SIGTERM", "SIGHUP"]):
                return _run(list(given))
        finally:
            sys.stdout.flush()
    except DivergenceError as error:
        return _fail(DIVERGED, str(error))
    except (QDivergeError, MissingExtraError) as error:
        cause = error.__cause__
        is_full = isinstance(cause, OSError) and cause.errno in DISK
        return _fail(FAILED if is_full else BAD_USAGE, str(error))
    except KeyboardInterrupt as stop:
        return _fail(FAILED, f"stopped by {str(stop) or 'Ctrl-C'}; all that was logged is kept.")
    except BrokenPipeError:  # who reads, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _fail(
            FAILED, f"{error.strerror}: {error.filename}" if error.filename else str(error)
        )
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in NO_MEMORY):
            raise
        return _fail(FAILED, "the memory does not hold what the settings ask for; take less.")


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        say(usage(), end="")
        return OK if arguments else BAD_USAGE
    if arguments[0] == "--version":
        from importlib.metadata import version

        say(f"qdiverge {version('qdiverge')}")
        return OK
    name, *rest = arguments
    if name not in COMMANDS:
        return _fail(BAD_USAGE, f"there is no command {name!r}.{_suggest(name)} Try: qdiverge -h")
    command, given = importlib.import_module(f"qdiverge.cli.{name}"), rest
    if hasattr(command, "Options"):  # where it has none, it reads its flags itself
        import tyro

        given = tyro.cli(command.Options, prog=f"qdiverge {name}", args=rest)
    return int(command.main(given) or OK)


def usage() -> str:
    """Return the help of the command itself."""
    commands = "\n".join(f"  {name:9} {text}" for name, text in COMMANDS.items())
    return USAGE.format(commands=commands)


def _is_text(arguments: object) -> bool:
    if not isinstance(arguments, Sequence) or isinstance(arguments, str | bytes):
        return False
    return all(isinstance(word, str) for word in arguments)


def _suggest(name: str) -> str:
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _fail(status: int, message: str) -> int:
    with contextlib.suppress(OSError):  # the terminal may be gone
        say(f"qdiverge: {message}", is_error=True)
    return status
