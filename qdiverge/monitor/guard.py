"""An error of the monitor's own becomes a warning: training goes on."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def guard(what: str, update: int, switch_off: Callable[[], object] | None = None) -> Iterator[None]:
    """Turn an exception inside into a warning that names what failed and at which update.

    Args:
        what: What is being done, for the message.
        update: The optimiser update, for the message.
        switch_off: Called on failure, so that it does not fail again at every update.
    """
    try:
        yield
    except Exception as error:  # whatever it is, it must not end somebody's training run
        if switch_off is not None:
            switch_off()
        consequence = "skipped this time" if switch_off is None else "switched off"
        warnings.warn(
            f"qdiverge: {what} failed at update {update} and is {consequence}; training goes on. "
            f"{type(error).__name__}: {error}",
            stacklevel=4,
        )
