"""Ctrl-C, SIGTERM or SIGHUP: end where the run can be saved. Ctrl-C once more: at once.

A shell, a queue or the system may send SIGTERM and SIGHUP several times, or one after the other:
after the first of any kind they are ignored. What must end at once is sent SIGKILL.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def calling_at_stop(
    stop: Callable[[str], object], names: Sequence[str] = STOPPING
) -> Iterator[None]:
    """Let the first of some signals call ``stop``; a Ctrl-C after it does what it did before.

    What is ignored stays so, as SIGHUP does under ``nohup``; but for Ctrl-C, which shells have
    scripts ignore in the background. Outside the main thread, where signals never arrive, it
    changes nothing.

    Args:
        stop: Told what came: "Ctrl-C", "SIGTERM" or "SIGHUP".
        names: Of the signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.Signals[name] for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}

    def handle(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, before[each] if each == signal.SIGINT else signal.SIG_IGN)
        stop("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)

    for number in numbers:
        if number == signal.SIGINT or before[number] != signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def interrupt(what: str) -> None:
    """Raise ``KeyboardInterrupt``, as Ctrl-C does, with what came as its message.

    >>> try:
    ...     with calling_at_stop(interrupt, ["SIGTERM"]):
    ...         signal.raise_signal(signal.SIGTERM)
    ... except KeyboardInterrupt as stop:
    ...     print(stop)
    SIGTERM
    """
    raise KeyboardInterrupt(what)
