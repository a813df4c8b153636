"""Adversarial feature matching: the hardest weighting that keeps the features' mean."""

import numpy as np


def matched_adversary(
    base: np.ndarray, errors: np.ndarray, features: np.ndarray, *, num_steps: int = 20
) -> np.ndarray:
    """Return the weights p ``[S, A]`` that make the Bellman error large at equal mean features.

        max_p Σ p e² − T KL(p‖μ)   subject to   Σ p φ = Σ μ φ,

    whose solution is p ∝ μ exp((e² − νᵀφ)/T), ν minimising the convex dual
    T log Σ μ exp((e² − νᵀ(φ − φ̄))/T); a few damped Newton steps find it.

    Source: Fu, Kumar, Soh & Levine 2019, section 7 (AFM). There the adversary is a network and the
    constraint a penalty; here both are exact, with T the standard deviation of e² under μ.

    Args:
        base: μ, the replay distribution ``[S, A]``.
        errors: |T*Q − Q| ``[S, A]``.
        features: φ(s), the network's last hidden layer ``[S, k]``.
        num_steps: Newton steps.
    """
    μ = base.ravel() / base.sum()
    e2 = errors.ravel() ** 2
    T = np.sqrt(μ @ (e2 - μ @ e2) ** 2)
    if T <= 1e-300:
        return base / base.sum()
    φ = np.repeat(features, errors.shape[1], axis=0).astype(float)
    φ = φ - μ @ φ
    φ = φ / max(1e-12, np.sqrt((μ @ φ**2).max()))
    gain, ν = (e2 - e2.max()) / T, np.zeros(φ.shape[1])
    value = _dual(μ, gain, φ, ν)
    for _ in range(num_steps):
        p = _tilted(μ, gain - φ @ ν)
        mean = p @ φ
        hessian = (φ * p[:, None]).T @ φ - np.outer(mean, mean)
        step = np.linalg.solve(hessian + 1e-6 * np.eye(len(ν)), mean)
        length = 1.0
        while (new := _dual(μ, gain, φ, ν + length * step)) > value and length > 1e-4:
            length /= 2
        if new > value or np.abs(mean).max() < 1e-6:
            break
        ν, value = ν + length * step, new
    return _tilted(μ, gain - φ @ ν).reshape(errors.shape)


def _tilted(μ: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    top = exponent[μ > 0].max()
    weights = μ * np.exp(np.minimum(exponent - top, 0.0))  # beyond the top μ = 0
    return weights / weights.sum()


def _dual(μ: np.ndarray, gain: np.ndarray, φ: np.ndarray, ν: np.ndarray) -> float:
    exponent = gain - φ @ ν
    top = exponent[μ > 0].max()
    return float(top + np.log(μ @ np.exp(np.minimum(exponent - top, 0.0))))
