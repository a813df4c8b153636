"""The Inspector: its pure parts against closed forms, its page on real networks."""

import base64
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import qdiverge as qd
from qdiverge.agents.networks import NatureNetwork
from qdiverge.errors import InvalidValueError, RunFolderError
from qdiverge.report.drawing.heatmap import similarity
from qdiverge.report.inspector import inspection_of
from qdiverge.report.inspector.loadings import leading_eigenvector, loadings
from qdiverge.report.inspector.observation_pictures import newest_frame, picture, scale_of
from qdiverge.report.inspector.ordering import order_by_similarity
from tests.report.drawing.test_drawing import read_png
from tests.report.test_page import Page


@settings(deadline=None)  # the first example imports scipy
@given(st.permutations(range(12)))
def test_directions_on_an_arc_are_put_in_the_order_of_their_angles(places):
    """cos(θ_i − θ_j) on uneven gaps: the order along the arc, from either end, is the best."""
    angles = np.cumsum(1.0 + 0.03 * np.arange(12))[list(places)] / 12
    order = order_by_similarity(np.cos(np.subtract.outer(angles, angles)))
    found = np.argsort(np.argsort(angles))[order]
    assert found.tolist() in (list(range(12)), list(range(11, -1, -1)))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(0, 99))
def test_groups_that_share_nothing_lie_together(groups, seed):
    rng = np.random.default_rng(seed)
    J = np.zeros((len(groups), 60))
    for row, group in enumerate(groups):
        J[row, 20 * group : 20 * group + 20] = 1 + 0.1 * rng.random(20)
    order = order_by_similarity(similarity(J @ J.T))
    assert sorted(order) == list(range(len(groups)))
    ordered = np.array(groups)[order]
    assert (np.diff(ordered) != 0).sum() == len(set(groups)) - 1


def test_a_kernel_without_a_direction_still_has_an_order():
    assert sorted(order_by_similarity(np.full((4, 4), np.nan))) == [0, 1, 2, 3]
    assert order_by_similarity(np.ones((2, 2))).tolist() == [0, 1]


def test_loadings_of_a_linear_network_are_those_of_its_inputs():
    """Q = w·s + b at one pair: K = ‖s‖² + 1, of which the weight carries ‖s‖², 9/10 at s = 3."""
    blocks = {"a": np.array([[9.0]]), "b": np.array([[1.0]])}
    value, vector = leading_eigenvector(blocks["a"] + blocks["b"])
    assert value == pytest.approx(10.0)
    assert loadings(blocks, vector) == pytest.approx({"a": 0.9, "b": 0.1})
    with pytest.raises(InvalidValueError, match="vᵀKv"):
        loadings({"a": np.zeros((1, 1))}, vector)


@given(st.integers(0, 999))
def test_loadings_are_shares(seed):
    rng = np.random.default_rng(seed)
    blocks = {f"{k}": J @ J.T for k, J in enumerate(rng.standard_normal((4, 6, 3)))}
    shares = loadings(blocks, leading_eigenvector(sum(blocks.values()))[1])
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares.values()) >= 0


def w_to_2w() -> tuple[nn.Module, qd.Transitions]:
    """w → 2w: s = 1 leads to s' = 2, Q = w s; beside it the self-transition 0.1 → 0.1."""
    q_net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        q_net.weight.fill_(1.0)
    s = torch.tensor([[0.1], [1.0], [1.0]])
    return q_net, qd.Transitions(
        observations=s,
        actions=torch.zeros(3, dtype=torch.int64),
        rewards=torch.zeros(3),
        next_observations=torch.tensor([[0.1], [2.0], [2.0]]),
        terminated=torch.zeros(3),
    )


def test_the_pair_that_drives_w_to_2w_is_found():
    """Without the repeat, ρ = ½: the excess of row 1 on itself is 2γ − 1, and it is all of λ but
    what row 0, (γ − 1) 0.01, takes away: λ = ½(0.8 − 0.001)."""
    inspection = inspection_of(*w_to_2w(), discount=0.9, learning_rate=0.1)
    assert inspection.num_repeats == 1
    np.testing.assert_allclose(inspection.kernel, [[0.01, 0.1], [0.1, 1.0]], rtol=1e-6)
    np.testing.assert_allclose(inspection.excess[1], [0.08, 0.8], rtol=1e-5)
    assert inspection.pairs[0][:2] == (1, 1)
    assert inspection.grows
    assert inspection.loadings == pytest.approx({"weight": 1.0})
    growth = inspection.diagnosis.attribution.eigenvalue.real
    assert growth == pytest.approx((0.8 - 0.001) / 2, rel=1e-5)
    assert sum(inspection.mode_loadings.values()) == pytest.approx(growth)
    assert inspection.worst_rows[0] == 0  # 0.1/0.01 against 0.1/1


def test_the_page_names_the_pair_and_draws_vectors(tmp_path):
    path = qd.inspect(*w_to_2w(), 0.9, 0.1, out=tmp_path / "new" / "moment.html", title="w → <2w>")
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert "w → <2w>" in page.text
    assert "1 on itself" in page.text
    assert "The linearised update diverges" in page.text
    assert "Left out: 1, which repeat a pair" in page.text
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert not re.search(r'(d|x|y|width)="[^"]*(nan|inf)', text)
    assert not list(path.parent.glob("*.tmp"))


def test_the_page_of_an_atari_network_shows_the_frames_themselves(tmp_path):
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(256, (10, 4, 84, 84), generator=generator, dtype=torch.uint8)
    batch = qd.Transitions(
        observations=frames[:8],
        actions=torch.arange(8) % 3,
        rewards=torch.zeros(8),
        next_observations=frames[2:],
        terminated=torch.zeros(8),
    )
    torch.manual_seed(0)
    network = NatureNetwork(3)
    path = qd.inspect(network, batch, out=tmp_path / "m.html", action_names=("NOOP", "UP", "DOWN"))
    page = Page(path.read_text(encoding="utf-8"))
    images = [v.partition(",")[2] for k, v in page.attributes if k == "href"]
    shown = [read_png(base64.b64decode(image)) for image in images]
    pictures = [image for image in shown if image.shape == (84, 84)]
    assert len(pictures) >= 12
    newest = frames[:, -1].numpy()
    assert all((newest == image).all(axis=(1, 2)).any() for image in pictures)
    assert "DOWN" in page.text


def test_what_is_a_frame_and_what_is_not():
    stack = np.zeros((4, 84, 84), np.uint8)
    stack[-1] = 7
    assert (newest_frame(stack) == 7).all()
    assert newest_frame(np.moveaxis(stack, 0, -1)).tolist() == newest_frame(stack).tolist()
    assert newest_frame(np.zeros((10, 10, 4))) is None
    assert newest_frame(np.zeros(5)) is None
    odd = np.array([math.nan, math.inf, 0.0, -2.0, 1e300])
    for observation in (odd, np.zeros((4, 10, 10)), np.zeros((1, 40))):
        drawn = picture("t", observation, scale_of(observation[None]))
        assert not re.search(r'="[^"]*(nan|inf)', drawn)


def test_a_page_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Choose another place with --out"):
        qd.inspect(*w_to_2w(), out=tmp_path / "file" / "m.html")
