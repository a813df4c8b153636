"""Ctrl-C, once: end where the run can be saved. Twice: at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def calling_at_ctrl_c(stop: Callable[[], object]) -> Iterator[None]:
    """Let the first Ctrl-C call ``stop``; the next one does what it did before.

    Outside the main thread, where signals never arrive, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
