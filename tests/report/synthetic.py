"""Run folders with known stories, made with the writer that real runs use."""

import math
from pathlib import Path

import numpy as np

from qdiverge.diagnostics.catalogue import METRICS
from qdiverge.runs import RunLog

NUM_STATES = 48
BOUND = 100.0


def write_run(
    folder: Path,
    *,
    growth: float = 0.0,
    num_steps: int = 400,
    step_size: int = 50,
    alarm_at: int | None = None,
    dies_at: int | None = None,
    kernels: bool = True,
    close: str = "finished",
    config: dict[str, object] | None = None,
    seed: int = 0,
) -> Path:
    """Write a run whose max |Q| is min(1, t/100)·exp(growth·t) at step ``step_size``·t.

    From t = ``dies_at`` on every value is NaN; an alarm is written at t = ``alarm_at``.
    """
    rng = np.random.default_rng(seed)
    settings: dict[str, object] = {"discount": 0.99, "learning_rate": 1e-4, "target_period": 1000}
    log = RunLog(
        folder,
        settings | (config or {}),
        step_unit="agent steps",
        info={"seed": seed, "device": "cpu"},
    )
    for t in range(1, num_steps + 1):
        size = min(1.0, t / 100) * math.exp(min(growth * t, 600.0))
        size *= 1 + 0.05 * rng.standard_normal()
        if dies_at is not None and t >= dies_at:
            size = math.nan
        log.metrics(step_size * t, _metrics(size, growth, t, rng))
        if t % 40 == 0:
            episode = {"charts/episodic_return": -21.0 + rng.poisson(1 + t / 200)}
            log.metrics(step_size * t, episode | _epoch(size, t))
        if alarm_at is not None and t >= alarm_at and (t - alarm_at) % 20 == 0:
            rule = "exponential_growth" if t == alarm_at else "soft_divergence"
            log.alarm(step_size * t, t, rule, "max |Q| has doubled in the last 40 updates")
        if kernels and t in (1, num_steps // 2, num_steps):
            log.arrays("kernel", step_size * t, kernel_arrays(0.2 + 0.7 * t / num_steps, rng))
    log.close(close)
    return folder


def kernel_arrays(
    shared: float, rng: np.random.Generator, size: int = NUM_STATES
) -> dict[str, np.ndarray]:
    """A kernel of gradients that share a direction within an action, and repel across actions."""
    actions = rng.integers(0, 4, size)
    common = rng.standard_normal((4, 200))
    common -= 0.5 * common.mean(0)
    J = shared * common[actions] + (1 - shared) * rng.standard_normal((size, 200))
    K = J @ J.T
    values = np.linalg.eigvalsh(K)[::-1]
    return {
        "kernel": K.astype(np.float32),
        "eigenvalues": values.astype(np.float32),
        "actions": actions,
    }


def _epoch(size: float, t: int) -> dict[str, float]:
    realised = 0.5 * min(1.0, t / 100)
    return {
        "charts/epoch_return": -21.0 + t / 200,
        "charts/evaluation_return": -21.0 + t / 100,
        "charts/held_out_q": 0.4 * size,
        "overestimation/predicted": 0.6 * size,
        "overestimation/realised": realised,
        "overestimation/bias": 0.6 * size - realised,
    }


def _metrics(size: float, growth: float, t: int, rng: np.random.Generator) -> dict[str, float]:
    """Every declared number: a little noise, but for those that tell the story."""
    noise = float(1 + 0.2 * rng.random())
    return dict.fromkeys(METRICS, 0.1 * noise) | {
        "losses/td_loss": 0.02 * noise * (1 + size) / (1 + 0.01 * t),
        "losses/q_values": 0.4 * size,
        "diverge/q_abs_max": size,
        "diverge/q_mean": 0.4 * size,
        "diverge/q_min": -0.3 * size,
        "diverge/q_max": size,
        "diverge/q_p05": -0.2 * size,
        "diverge/q_p50": 0.38 * size,
        "diverge/q_p95": 0.9 * size,
        "diverge/batch_q_abs_max": size,
        "diverge/soft_divergence_bound": BOUND,
        "diverge/divergence_limit": BOUND,
        "diverge/q_growth_rate": growth + 0.01 * float(rng.standard_normal()),
        "diverge/td_error_abs_mean": 0.1 * noise * size,
        "diverge/td_error_abs_max": 0.8 * noise * size,
        "diverge/fraction_holding": 0.0,
        "diverge/modulus": 1.02 * noise,
        "diverge/modulus_regression": 1.01,
        "diverge/spectral_radius": 1.0 + growth,
        "diverge/spectral_radius_regression": 0.99,
        "diverge/self_excitation": 50 * growth - 0.01,
        "diverge/effective_rank": 12.0 / noise,
        "diverge/srank": 20.0,
        "diverge/kernel_diagonal_mean": 30 + 0.1 * t,
        "diverge/reward_min": -1.0,
        "diverge/reward_max": 1.0,
        "diverge/target_lag": 0.01 * (t % 20),
    }
