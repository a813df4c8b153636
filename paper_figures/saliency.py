"""Where a dueling network looks: value and advantage by pixel (Wang et al. 2016)."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from paper_figures.style import BLUE, ORANGE, foot
from paper_figures.tables import Table, chosen, columns_of
from paper_figures.trained import picture, q_values, show, states_of_play, trained
from qdiverge.agents.networks.heads import Dueling
from qdiverge.errors import UnsupportedNetworkError

NUM_STATES = 400
PERIOD = 3  # agent steps between two states
QUANTILES = (0.02, 0.5, 0.8, 0.98)  # of the spread of advantages: which states are shown


def compute(run: Path | None = None) -> Table:
    """Return every pixel of four states with both saliencies; seconds once it is trained.

    Raises:
        UnsupportedNetworkError: the run's network has no two streams.
    """
    saved, made = trained(run)
    states = states_of_play(saved, NUM_STATES, PERIOD)
    rows = []
    spread = np.ptp(q_values(saved, states), axis=1)  # of Q, so of A: they differ by V
    ranks = np.round(np.array(QUANTILES) * (NUM_STATES - 1)).astype(int)
    for moment, number in enumerate(spread.argsort()[ranks]):
        value, advantage = saliency(saved.agent.q_network, states[number])
        image = picture(states[number])
        rows += [
            {"moment": moment, "row": i, "column": j, "pixel": int(image[i, j])}
            | {"value_saliency": float(f"{value[i, j]:.4g}")}
            | {"advantage_saliency": float(f"{advantage[i, j]:.4g}")}
            | {"advantage_spread": round(float(spread[number]), 4)}
            | {"environment": saved.config.environment, "step": saved.step}
            for i, j in np.ndindex(*image.shape)
        ]
    return Table(columns_of(rows), made)


def saliency(
    network: nn.Module, observation: NDArray[Any]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return Σ_c |∂V(s)/∂s_c| and Σ_c |∂A(s, a*)/∂s_c|, a* = argmax_a A, [H, W] each.

    Source: Wang et al. 2016 (arXiv:1511.06581), section 4.2, after Simonyan et al. 2013. Summed
    here over the channels c, frames or kinds of objects.

    Raises:
        UnsupportedNetworkError: there are no two streams.

    >>> streams = nn.Sequential(nn.Flatten(), Dueling(nn.Linear(2, 1), nn.Linear(2, 2)))
    >>> with torch.no_grad():
    ...     _ = streams[1].value.weight.copy_(torch.tensor([[3.0, -1.0]]))
    >>> saliency(streams, np.array([[[True, False]]]))[0].tolist()  # |V's weights|
    [[3.0, 1.0]]
    """
    heads = [module for module in network.modules() if isinstance(module, Dueling)]
    if not heads:
        raise UnsupportedNetworkError(
            "the network must have a value and an advantage stream",
            got=type(network).__name__,
            remedy="Train one: qdiverge train dqn --dueling …",
        )
    outputs: dict[str, Tensor] = {}
    hooks = [
        getattr(heads[0], stream).register_forward_hook(
            lambda _, __, output, stream=stream: outputs.__setitem__(stream, output)
        )
        for stream in ("value", "advantage")
    ]
    s = torch.tensor(observation, dtype=next(network.parameters()).dtype)[None].requires_grad_()
    try:
        network(s)
    finally:
        for hook in hooks:
            hook.remove()
    maps = []
    for output in (outputs["value"].sum(), outputs["advantage"].max()):
        (gradient,) = torch.autograd.grad(output, s, retain_graph=True)
        maps.append(gradient[0].abs().sum(dim=0).numpy())
    return maps[0], maps[1]


def make(table: Table) -> Figure:
    """Draw a column for each state: the state, and both saliencies over it."""
    columns = table.arrays
    moments = np.unique(columns["moment"])
    side = columns["row"].max() + 1, columns["column"].max() + 1
    figure, panels = plt.subplots(3, len(moments), figsize=(1.55 * len(moments), 5.0))
    names = {"value_saliency": (BLUE, "value"), "advantage_saliency": (ORANGE, "advantage")}
    for column, moment in zip(panels.T, moments, strict=True):
        own = chosen(columns, moment=moment)
        image = own["pixel"].reshape(side)
        show(column[0], image)
        spread = own["advantage_spread"][0]
        column[0].set_title(f"spread of A: {spread:.2f}", fontsize=7.5, loc="center")
        for axes, (name, (colour, _)) in zip(column[1:], names.items(), strict=True):
            shades = LinearSegmentedColormap.from_list(name, ["#ffffff00", colour])
            show(axes, image, alpha=0.25)
            axes.imshow(own[name].reshape(side), cmap=shades, vmin=0, vmax=columns[name].max())
    panels[0, 0].set_ylabel("what it sees")
    for axes, (colour, label) in zip(panels[1:, 0], names.values(), strict=True):
        axes.set_ylabel(f"|∂ {label} / ∂ s|", color=colour)
    return foot(
        figure, table,
        f"{table.columns['environment'][0]}, step {columns['step'][0]:,}. States by the "
        f"spread of their advantages,\nquantiles {', '.join(map(str, QUANTILES))} of {NUM_STATES} "
        "states of play. Each row has one scale.",
    )  # fmt: skip
