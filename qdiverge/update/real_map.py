"""The update as a function x → F(x) of the state, and its derivative by differences of two runs.

    J u ≈ (F(x + ε u) − F(x)) / ε

The second run starts beside the first and makes the same update on the same batch with the same
random numbers; only the state differs. The base x need not be a fixed point: it moves to F(x).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.generators import seed_torch
from qdiverge.kernel.network import casting
from qdiverge.transitions import Transitions
from qdiverge.update.copies import Copies
from qdiverge.update.state import State

Update = Callable[[Copies, Transitions], object]  # makes one update, in place
_AGREE = 1e-3  # of a derivative: what ε and ε/8 may differ by
_TRIES = 3  # steps
_COUPLING = 0.1  # of Δθ, what one unit of a moment moves θ by: J is then nearer to normal
_SECOND = ("exp_avg_sq", "square_avg")


class RealMap:
    """F and J at the present state, in coordinates in which all parts of it move alike.

    Eigenvalues are the same in any coordinates; rounding, and how soon they show, is not.

    Args:
        copies: Moved by every call; nobody else's.
        batches: One update each; F is all of them in turn.
        update: Makes one update.
        seed: Of the random numbers that an update draws.
        dtype: What the network's own casts are to go to; None: they are left alone.

    Attributes:
        num_updates: Spent so far.
        noise: The relative error of a product, as far as ε/8 shows it.
    """

    def __init__(
        self,
        copies: Copies,
        batches: Sequence[Transitions],
        update: Update,
        seed: int,
        *,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.copies, self.batches, self.update, self.seed = copies, list(batches), update, seed
        self.dtype = dtype
        self.num_updates = 0
        self.noise = 0.0
        self.state = State(copies)
        self.x = self.state.read()
        self.after = self(self.x)
        if len(stepped := State(copies)) > len(self.state):
            self.state, self.x = stepped, stepped.read()  # moments come to be with the first step
            self.after = self(self.x)
        if not bool(torch.isfinite(self.after).all()):
            raise InvalidValueError(
                "an update must leave the state finite",
                got="NaN or infinity after one update",
                remedy="The network has diverged already: load an earlier checkpoint.",
            )
        self.scale = self._scale()
        self._room = torch.empty_like(self.x)
        weights = self.state.online
        size = float(self.x[weights].norm()) or float((self.after - self.x)[weights].norm()) or 1.0
        self.step = torch.finfo(self.x.dtype).eps ** (1 / 3) * size  # the first that is tried

    def __call__(self, x: Tensor, batches: Sequence[Transitions] | None = None) -> Tensor:
        """Return F(x)."""
        self.state.write(x)
        self._run(batches or self.batches)
        return self.state.read()

    def product(self, u: Tensor, step: float | None = None) -> Tensor:
        """Return J u; at a cost of one update a batch."""
        ε = self.step if step is None else step
        beside = torch.mul(self.scale, u, out=self._room)
        image = self(beside.mul_(ε).add_(self.x)).sub_(self.after)
        return image.div_(self.scale).div_(ε)

    def start(self) -> Tensor:
        """Return a direction that the batch can move: the step's answer to other rewards.

        F(x; r + η) − F(x; r) with random η is a combination of the rows of PJᵀ alone: what no
        batch reaches, and decay, are not in it. Where rewards change nothing (every row of Huber's
        loss saturated), the step F(x) − x.
        """
        generator = torch.Generator().manual_seed(self.seed)
        moved = []
        for batch in self.batches:
            size = 1e-6 * (1 + float(batch.rewards.abs().max()))
            normal = torch.randn(len(batch), generator=generator, dtype=torch.float64)
            moved.append(replace(batch, rewards=batch.rewards + size * normal.to(batch.rewards)))
        direction = (self(self.x, moved) - self.after) / self.scale
        if float(direction.norm()) <= 1e-12 * float((self.after / self.scale).norm()):
            direction = (self.after - self.x) / self.scale
        return direction

    def fit_step(self, u: Tensor) -> bool:
        """Choose ε, and say whether J u is there what it is for ε/8.

        The difference of the two has a part by curvature, cε, and one by rounding, η/ε: least at
        ε = √(η/c). A piecewise linear map takes the wide step that is tried first, or one that
        ends before its kink.
        """
        η = torch.finfo(self.x.dtype).eps ** (2 / 3) * self.step
        for _ in range(_TRIES):
            wide, narrow = self.product(u), self.product(u, self.step / 8)
            self.noise = float((wide - narrow).norm()) / (float(narrow.norm()) or 1.0)
            if self.noise <= 64 * η / self.step:
                return True
            self.step = max((η * self.step / self.noise) ** 0.5, self.step / 64)
        return self.noise <= _AGREE

    def _run(self, batches: Sequence[Transitions]) -> None:
        device = next(self.copies.networks[0].parameters()).device
        for batch in batches:
            random.seed(self.seed)
            np.random.seed(self.seed)  # noqa: NPY002
            seed_torch(self.seed, device)
            if self.dtype is None:
                self.update(self.copies, batch)
            else:
                with casting(self.dtype) as mode:
                    self.update(self.copies, batch)
                if not mode.has_cast:  # the usual case: from now on without
                    self.dtype = None
            self.num_updates += 1

    def _scale(self) -> Tensor:
        """Return s of the coordinates x/s.

        With P the preconditioner of an optimiser that keeps v, s = √P of θ and 1/√P of its moments:
        in these coordinates the kernel's part of J is symmetric.
        """
        scale, moved, state = torch.ones_like(self.x), self.after - self.x, self.state
        for optimizer in self.copies.optimizers:
            for parameter, entries in optimizer.state.items():
                v = next((entries[key] for key in _SECOND if key in entries), None)
                part = state.part_of(parameter)
                if v is not None and v.numel() == part.stop - part.start:
                    root = v.sqrt().reshape(-1)
                    root = root.clamp_min(1e-6 * float(root.max()) or 1.0)
                    scale[part] = (root.median() / root).sqrt()
        if state.target.stop - state.target.start == state.online.stop - state.online.start:
            scale[state.target] = scale[state.online]
        for place in state.moments:
            part = state.part_of(place.parameter)
            own = scale[part] if len(scale[part]) == len(scale[place.part]) else torch.ones(())
            step = float((moved[part] / scale[part]).norm())
            size = float((self.after[place.part] * own).norm())
            if size > 0 and step > 0:
                scale[place.part] = _COUPLING * size / step / own
        return scale
