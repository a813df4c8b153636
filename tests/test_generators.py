"""States of generators: what is read is a copy, and put back it is the very state."""

import numpy as np
import pytest

from qdiverge.generators import is_same_state, set_state, state_of


class Wrapped(np.random.PCG64):
    """Somebody's own, which hands out the very dict that it keeps."""

    def __init__(self, seed):
        super().__init__(seed)
        self.kept = None

    @property
    def state(self):
        self.kept = self.kept or super().state
        self.kept |= super().state
        return self.kept

    @state.setter
    def state(self, value):
        np.random.PCG64.state.__set__(self, value)  # type: ignore[attr-defined]  # a property


@pytest.mark.parametrize(
    "kind",
    [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64,
     Wrapped],
)  # fmt: skip
def test_a_state_stays_while_its_generator_goes_on(kind):
    rng = np.random.Generator(kind(0))
    rng.integers(5, dtype=np.uint32)  # half of a 64-bit draw is kept for the next
    state = state_of(rng)
    first = rng.random(700), rng.integers(5, dtype=np.uint32), rng.normal(size=3)
    assert not is_same_state(state, state_of(rng))
    set_state(rng, state)
    assert is_same_state(state, state_of(rng))
    again = rng.random(700), rng.integers(5, dtype=np.uint32), rng.normal(size=3)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
