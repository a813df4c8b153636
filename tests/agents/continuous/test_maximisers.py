"""max_a Q by search, where the maximum is known: the linear–quadratic regulator."""

import numpy as np
import pytest
import scipy.linalg
import torch

from qdiverge.agents.continuous.maximisers import CrossEntropy, GradientAscent

CEM = CrossEntropy(num_samples=512, num_elites=64, num_rounds=8)  # 64 and 6 stall for 1 in 15
ASCENT = GradientAscent(num_starts=4, num_rounds=30)


def regulator():
    """Q*(s, a) = −xᵀ H x, x = (s, a), of a stable system, and its gain: a* = −K s."""
    A, B = np.array([[0.9, 0.2], [0.0, 0.8]]), np.array([[0.1, 0.0], [0.3, 0.5]])
    C, R = np.eye(2), 0.5 * np.eye(2)
    P = scipy.linalg.solve_discrete_are(A, B, C, R)
    H = np.block([[C + A.T @ P @ A, A.T @ P @ B], [B.T @ P @ A, R + B.T @ P @ B]])
    K = np.linalg.solve(R + B.T @ P @ B, B.T @ P @ A)
    return torch.from_numpy(H).float(), torch.from_numpy(K).float(), torch.from_numpy(P).float()


@pytest.mark.parametrize("maximise", [CEM, ASCENT], ids=["cem", "ascent"])
def test_the_best_action_is_the_regulators(maximise):
    H, K, P = regulator()

    def critic(s, a):
        x = torch.cat([s, a], 1)
        return -((x @ H) * x).sum(1)

    generator = torch.Generator().manual_seed(0)
    s = 1.6 * torch.rand(40, 2, generator=generator) - 0.8
    actions, values = maximise(critic, s, 2, generator)
    assert (s @ K.T).abs().max() < 1.0  # no bound is active
    torch.testing.assert_close(actions, -s @ K.T, atol=0.05, rtol=0)
    torch.testing.assert_close(values, -((s @ P) * s).sum(1), atol=5e-3, rtol=0)
    torch.testing.assert_close(values, critic(s, actions))


@pytest.mark.parametrize("maximise", [CEM, ASCENT], ids=["cem", "ascent"])
def test_a_maximum_outside_the_box_is_found_on_its_edge(maximise):
    actions, values = maximise(lambda s, a: a[:, 0] - 2 * a[:, 1], torch.zeros(5, 1), 2)
    torch.testing.assert_close(actions, torch.tensor([[1.0, -1.0]]).repeat(5, 1), atol=0.08, rtol=0)
    assert (values <= 3.0).all()


@pytest.mark.parametrize("maximise", [CEM, ASCENT], ids=["cem", "ascent"])
def test_the_global_generator_is_left_alone_and_the_own_one_decides(maximise):
    state = torch.get_rng_state()
    found = [
        maximise(
            lambda s, a: -(a**2).sum(1), torch.zeros(3, 1), 2, torch.Generator().manual_seed(1)
        )
        for _ in range(2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found[0][0], found[1][0])
    assert not found[0][0].requires_grad


def test_more_rounds_never_do_worse():
    peaks = torch.linspace(-0.9, 0.9, 7)

    def critic(s, a):
        return torch.exp(-50 * (a - peaks) ** 2).mul(torch.arange(7.0)).amax(1)

    values = [
        CrossEntropy(num_rounds=n)(critic, torch.zeros(1, 1), 1, torch.Generator().manual_seed(3))[
            1
        ]
        for n in (1, 2, 4)
    ]
    assert values[0] <= values[1] <= values[2] <= 6.0
