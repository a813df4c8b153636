"""An error of the monitor's own becomes a warning: training goes on."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Guard:
    """What turns exceptions into warnings of what failed and at which update; each thing once."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}  # what → why

    @contextmanager
    def __call__(
        self, what: str, update: int, switch_off: Callable[[], object] | None = None
    ) -> Iterator[None]:
        """Guard what happens inside.

        Args:
            what: What is being done, for the message.
            update: The optimiser update, for the message.
            switch_off: Called on failure, so that it does not fail again at every update.
        """
        try:
            yield
        except Exception as error:  # whatever it is, it must not end somebody's training run
            self.tell(what, update, error, switch_off)

    def tell(
        self, what: str, update: int, error: Exception, switch_off: Callable[[], object] | None
    ) -> None:
        """Warn of an error; for a ``try`` at every update, which costs nothing until it fails."""
        if switch_off is not None:
            switch_off()
        is_new = what not in self.failed
        self.failed[what] = f"{type(error).__name__}: {error}"
        if is_new:
            consequence = "skipped" if switch_off is None else "switched off"
            warnings.warn(
                f"qdiverge: {what} failed at update {update} and is {consequence}; training "
                f"goes on. {self.failed[what]}",
                stacklevel=5,
            )
