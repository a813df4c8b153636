"""What a trained network sees as alike: t-SNE of its last hidden layer, coloured by value."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from numpy.typing import NDArray

from paper_figures.style import INK, foot
from paper_figures.tables import Table, columns_of
from paper_figures.trained import packed, picture, q_values, show, states_of_play, trained, unpacked
from qdiverge.agents.saved_agent import SavedAgent
from qdiverge.diagnostics.hidden_activations import layer_inputs
from qdiverge.thing_checks import check_installed

NUM_STATES = 800
PERIOD = 3  # agent steps between two states
PERPLEXITY = 30.0
NUM_EXAMPLES = 6


def compute(run: Path | None = None) -> Table:
    """Return place, value and, of a few states, the frame; a minute once the network is trained.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    remedy = "Drawing from the table needs none."
    manifold = check_installed("sklearn.manifold", "t-SNE needs scikit-learn", "foresight", remedy)
    saved, made = trained(run)
    states = states_of_play(saved, NUM_STATES, PERIOD)
    features = hidden_layer(saved, states)
    values = q_values(saved, states).max(axis=1)
    solver = manifold.TSNE(perplexity=PERPLEXITY, init="pca", random_state=0)
    places = solver.fit_transform(features)
    shown = set(examples(places, values).tolist())
    rows = [
        {"x": round(float(x), 3), "y": round(float(y), 3), "value": round(float(values[number]), 4)}
        | {"frame": packed(picture(states[number])) if number in shown else ""}
        | {"environment": saved.config.environment, "step": saved.step}
        for number, (x, y) in enumerate(places)
    ]
    return Table(columns_of(rows), made)


def hidden_layer(saved: SavedAgent, states: NDArray[Any]) -> NDArray[np.floating]:
    """Return the units that the output is linear in, those of both streams where there are two."""
    layers = layer_inputs(saved.agent.q_network, torch.from_numpy(states))
    last = {("advantage" in name): value for name, value in layers.items()}  # a later one replaces
    streams = ["value" in name or "advantage" in name for name in layers]
    chosen = list(last.values()) if all(streams[-2:]) else [list(layers.values())[-1]]
    return torch.cat(chosen, dim=1).numpy()


def examples(places: NDArray[np.floating], values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return states of values from low to high that lie apart: of each sixth, the outermost."""
    outward = np.linalg.norm(places - places.mean(axis=0), axis=1)
    parts = np.array_split(values.argsort(), NUM_EXAMPLES)
    return np.array([part[outward[part].argmax()] for part in parts])


def make(table: Table) -> Figure:
    """Draw the places, coloured by value, the examples around them."""
    columns = table.arrays
    x, y, values = columns["x"], columns["y"], columns["value"]
    shown = [number for number, frame in enumerate(table.columns["frame"]) if frame]
    shown = sorted(shown, key=lambda number: x[number])
    half = len(shown) // 2
    left, right = (sorted(side, key=lambda n: -y[n]) for side in (shown[:half], shown[half:]))
    figure = plt.figure(figsize=(7.0, 4.4))
    grid = figure.add_gridspec(half, 3, width_ratios=[1, 4, 1])
    axes = figure.add_subplot(grid[:, 1])
    points = axes.scatter(x, y, c=values, s=7, cmap="viridis", linewidths=0)
    figure.colorbar(
        points, ax=axes, label="max$_a$ Q(s, a)", shrink=0.8, location="bottom", aspect=40
    )
    axes.set(xticks=[], yticks=[], title=f"{table.columns['environment'][0]}: states of play")
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, side in ((0, left), (2, right)):
        for row, number in enumerate(side):
            frame = figure.add_subplot(grid[row, place])
            show(frame, unpacked(table.columns["frame"][number]))
            frame.set_title(f"Q = {values[number]:.2f}", fontsize=7, loc="center")
            edge = (1.0, 0.5) if place == 0 else (0.0, 0.5)
            figure.add_artist(_line(frame, edge, axes, (x[number], y[number])))
    return foot(
        figure, table,
        f"{len(x)} states of ε-greedy play (ε = .05) of the agent at step {columns['step'][0]:,}; "
        f"t-SNE with perplexity {PERPLEXITY:g} of the last hidden layer.",
    )  # fmt: skip


def _line(frame: Any, edge: tuple[float, float], axes: Any, point: tuple[float, float]) -> Any:
    return ConnectionPatch(
        edge, point, coordsA="axes fraction", coordsB="data", axesA=frame, axesB=axes,
        color=INK, linewidth=0.5, alpha=0.7,
    )  # fmt: skip
