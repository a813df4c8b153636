"""The pendulum on a table: 32 angles × 32 speeds, 5 torques."""

import numpy as np

from qdiverge.checks import check_integer
from qdiverge.mdp.model import MDP
from qdiverge.mdp.problems.grid import deterministic

MAX_SPEED = 4.0  # rad/s
MAX_TORQUE = 3.0  # N m
GRAVITY, MASS, LENGTH, STEP = 10.0, 1.0, 1.0, 0.05  # m/s², kg, m, s


def pendulum(num_bins: int = 32, num_torques: int = 5, discount: float = 0.95) -> MDP:
    """Return swinging up a pendulum: angle 0 is upright, states are the lower corners of the bins.

    ω' = ω + (3g/2l · sin θ + 3u/ml²)Δt, clipped to ±4, and θ' = θ + ω'Δt with the ω' before
    clipping; the result falls into its bin. The reward is 1 − c/c_max, c = θ² + 0.1ω² + 0.001u².
    The start is θ = −π/4 at rest; episodes last 50 steps; nothing ends them. Observations
    are (cos θ, sin θ, ω).

    Source: Fu et al. 2019 (Gymnasium's Pendulum, on a table); numbers of the authors' code. State
    number: angle bin + num_bins · speed bin.
    """
    num_bins = check_integer("num_bins", num_bins, 1)
    num_torques = check_integer("num_torques", num_torques, 1)
    θ = np.tile(-np.pi + 2 * np.pi / num_bins * np.arange(num_bins), num_bins)  # [S]
    ω = np.repeat(-MAX_SPEED + 2 * MAX_SPEED / num_bins * np.arange(num_bins), num_bins)
    u = np.linspace(-MAX_TORQUE, MAX_TORQUE, num_torques)  # [A]
    push = 3 * GRAVITY / (2 * LENGTH) * np.sin(θ)[:, None] + 3 / (MASS * LENGTH**2) * u
    speed = ω[:, None] + push * STEP  # [S, A]
    angle = θ[:, None] + speed * STEP
    angle_bin = np.floor((angle + np.pi) / (2 * np.pi) * num_bins).astype(int) % num_bins
    cost = θ[:, None] ** 2 + 0.1 * ω[:, None] ** 2 + 0.001 * u**2
    worst = np.pi**2 + 0.1 * MAX_SPEED**2 + 0.001 * MAX_TORQUE**2
    start = int(_bin(np.array(-np.pi / 4), np.pi, num_bins))
    start += num_bins * int(_bin(np.array(0.0), MAX_SPEED, num_bins))
    return MDP(
        deterministic(angle_bin + num_bins * _bin(speed, MAX_SPEED, num_bins)),
        1 - cost / worst,
        discount,
        start,
        np.stack([np.cos(θ), np.sin(θ), ω], axis=1),
        np.zeros(len(θ)),
        horizon=50,
        name="pendulum",
    )


def _bin(x: np.ndarray, limit: float, num_bins: int) -> np.ndarray:
    """Return the bin of x on [−limit, limit), clipped into range."""
    return np.clip(np.floor((x + limit) / (2 * limit) * num_bins).astype(int), 0, num_bins - 1)
