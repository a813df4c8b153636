"""Errors that say what was expected, what came, and what to do."""

from qdiverge.plain_text import plain_lines

LONGEST = 300  # characters of a value that is shown


class QDivergeError(Exception):
    """The base of every error that qdiverge raises on purpose.

    The message has three parts: what was expected, what came, and the remedy.

    Args:
        expected: What the caller was expected to give.
        got: What came instead (omitted where there is nothing to show).
        remedy: What to do about it.

    >>> print(InvalidValueError("discount must lie in [0, 1]", got=1.5, remedy="Pass 0.99, say."))
    discount must lie in [0, 1]; got 1.5. Pass 0.99, say.
    """

    def __init__(self, expected: str, *, got: object = None, remedy: str = "") -> None:
        came = "" if got is None else f"; got {shown(got)}"
        sentence = f"{expected}{came}." + (f" {remedy}" if remedy else "")
        super().__init__(plain_lines(sentence))


def shown(value: object) -> str:
    """Return what came as text, cut where it is long; whatever the value does when it is asked.

    >>> shown("a sentence"), shown(0.5), shown([0] * 1_000)[-6:]
    ('a sentence', '0.5', '0, 0,…')
    """
    if type(value) is str:
        return value
    try:
        text = str(value)
    except Exception:  # it is somebody's own object, or an integer of too many digits
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


class InvalidValueError(QDivergeError, ValueError):
    """A value of the right type that cannot be used: a wrong shape, NaN, outside its range."""


class InvalidTypeError(QDivergeError, TypeError):
    """A value of a type or dtype that cannot be used."""


class ReadOnlyError(QDivergeError, AttributeError):
    """An attribute that was to be replaced, and that other objects hold on to."""


class UnsupportedNetworkError(QDivergeError, ValueError):
    """A network without a per-sample gradient: it mixes samples or draws random numbers."""


class CallError(QDivergeError, RuntimeError):
    """What was called, a network, a policy or a loss, raised an error, which is the cause."""


class MixedSamplesError(UnsupportedNetworkError):
    """A network whose values of a row depend on the rest of the batch."""


class RunFolderError(QDivergeError, ValueError):
    """A run folder that is missing, taken, damaged or of a newer schema."""


class StrangeFileError(RunFolderError, OSError):
    """Something in a run's folder that no run has there: a link, a device, a name that leads out.

    It is an OSError, too: whoever writes a run goes on without what cannot be written.
    """

    def __init__(self, expected: str, *, got: object = None, remedy: str = "") -> None:
        super().__init__(expected, got=got, remedy=remedy)
        self.strerror = plain_lines(str(got))


class UntrustedError(RunFolderError):
    """A saved run that names code to import, where nobody said that it is to be trusted."""


class CheckpointError(RunFolderError):
    """A checkpoint that is missing, incomplete or damaged; the message names the file."""


class MissingExtraError(QDivergeError, ImportError):
    """An optional dependency that is not installed; the message names the extra."""


class DivergenceError(QDivergeError, RuntimeError):
    """A training run that an alarm stopped, because it was asked to."""
