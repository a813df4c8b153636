"""What is read from a trained network: saliencies by hand, features of both streams, pictures."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paper_figures.saliency import saliency
from paper_figures.trained import packed, picture, unpacked
from paper_figures.tsne import examples, hidden_layer
from qdiverge.agents.networks import MinAtarNetwork
from qdiverge.agents.networks.heads import Dueling
from qdiverge.errors import UnsupportedNetworkError

SHAPE = (4, 10, 10)


def a_state(seed=0):
    return np.random.default_rng(seed).random(SHAPE) < 0.2


def test_saliency_is_the_gradient_of_each_stream_summed_over_channels():
    network = MinAtarNetwork(SHAPE, num_actions=3, dueling=True).double()
    features, head = network.layers[:-1], network.layers[-1]
    state = a_state()
    value, advantage = saliency(network, state)
    s = torch.tensor(state, dtype=torch.float64)[None].requires_grad_()
    V, A = head.value(features(s)), head.advantage(features(s))
    for found, output in ((value, V[0, 0]), (advantage, A[0, A[0].argmax()])):
        (gradient,) = torch.autograd.grad(output, s, retain_graph=True)
        np.testing.assert_allclose(found, gradient[0].abs().sum(0).numpy(), rtol=1e-12)
    assert not head.value._forward_hooks


def test_a_network_without_streams_is_refused_with_the_command():
    with pytest.raises(UnsupportedNetworkError, match="--dueling"):
        saliency(MinAtarNetwork(SHAPE, num_actions=3), a_state())


@pytest.mark.parametrize("is_dueling", [True, False])
def test_the_output_is_linear_in_the_last_hidden_layer(is_dueling):
    network = MinAtarNetwork(SHAPE, num_actions=3, dueling=is_dueling)
    states = np.stack([a_state(seed) for seed in range(5)])
    saved: Any = SimpleNamespace(agent=SimpleNamespace(q_network=network))
    features = torch.from_numpy(hidden_layer(saved, states))
    assert features.shape == (5, 256 if is_dueling else 128)
    head = network.layers[-1]
    if isinstance(head, Dueling):
        V, A = head.value[-1](features[:, :128]), head.advantage[-1](features[:, 128:])
        q = V + A - A.mean(1, keepdim=True)
    else:
        assert isinstance(head, nn.Linear)
        q = head(features)
    torch.testing.assert_close(q, network(torch.from_numpy(states)))


def test_examples_are_one_of_each_sixth_by_value_and_the_outermost():
    places = np.stack([np.arange(12.0), np.zeros(12)], axis=1)
    assert examples(places, np.arange(12.0)).tolist() == [0, 2, 4, 7, 9, 11]


def test_pictures_survive_their_packing():
    image = picture(a_state())
    assert set(np.unique(image)) <= set(range(5))
    assert (unpacked(packed(image)) == image).all()
    frames = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5)
    assert (unpacked(packed(picture(frames))) == frames[-1]).all()
