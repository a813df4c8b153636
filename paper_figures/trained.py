"""A trained agent to look into: of a run that is given, else a small one, trained once."""

import base64
import dataclasses
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.discrete.policies import EpsilonGreedy
from qdiverge.agents.families import parts_of
from qdiverge.agents.saved_agent import SavedAgent, load_agent
from qdiverge.cli import main
from qdiverge.errors import RunFolderError, UnsupportedNetworkError
from qdiverge.runs import Run, load_run

SMALL = Path("runs/figures/breakout")
COMMAND = (
    "qdiverge train dqn --preset minatar_fast --dueling --total-steps 40000 --seed 1 "
    f"--out {SMALL.as_posix()}"
)
EPSILON = 0.05  # of the play, as in the evaluations of the Nature study
SEED = 0  # of that play
COLOURS = ("#ffffff", "#0068b2", "#c24e00", "#f0c9ae", "#8a867f")  # nothing, then each channel's


def trained(run: Path | None) -> tuple[SavedAgent, dict[str, Any]]:
    """Return the agent of a run's newest checkpoint, and the run's provenance.

    Args:
        run: Its folder; None: a dueling network on MinAtar's Breakout, trained now where it has not
            been yet (four minutes of one core).

    Raises:
        RunFolderError: there is no such run, or the training failed.
    """
    if run is None and not (SMALL / "checkpoints").exists() and main(shlex.split(COMMAND)[1:]):
        raise RunFolderError(
            "the figure needs a trained agent", got=SMALL, remedy=f"Run: {COMMAND}"
        )
    folder = SMALL if run is None else run
    return load_agent(folder), provenance_of(load_run(folder))


def provenance_of(run: Run) -> dict[str, Any]:
    """Return what made a run of ``qdiverge train``, as tables carry it."""
    keys = ("command", "commit", "hardware", "started", "versions", "seed", "seconds")
    made = {key: run.info.get(key) for key in keys}
    command = str(made["command"]).replace("__main__.py", "qdiverge")
    made["command"] = command.replace("python -m qdiverge", "qdiverge")
    return made


def q_values(saved: SavedAgent, states: NDArray[Any]) -> NDArray[np.float32]:
    """Return Q of every action, [S, A].

    Raises:
        UnsupportedNetworkError: the run's actions are continuous.
    """
    if not isinstance(saved.agent, DQN):
        raise UnsupportedNetworkError(
            "the run must be of a DQN",
            got=f"one of {type(saved.agent).__name__}, whose actions are continuous",
            remedy=f"Give another --run, or make one: {COMMAND}",
        )
    return saved.agent.q_values(states)


def states_of_play(saved: SavedAgent, num_states: int, period: int) -> NDArray[Any]:
    """Return every ``period``-th state of ε-greedy play, [S, C, H, W]."""
    config = dataclasses.replace(saved.config, num_envs=1, buffer_size=1_000)
    games, choices = np.random.SeedSequence(SEED).spawn(2)
    environments = parts_of(config).environments(games)
    try:
        explorer = EpsilonGreedy(environments.num_actions, choices)
        observations, states = environments.reset(), []
        for step in range(num_states * period):
            actions = explorer.explore(1, EPSILON)
            if actions[0] < 0:
                actions = saved.agent.act(observations)
            observations = environments.step(actions).observations
            if step % period == period - 1:
                states.append(observations[0].copy())
    finally:
        environments.close()
    return np.stack(states)


def picture(observation: NDArray[Any]) -> NDArray[np.uint8]:
    """Return what a person sees of a state: a grid's objects by number, or the newest frame.

    >>> picture(np.array([[[True, False]], [[True, True]]]))  # the first channel is on top
    array([[1, 2]], dtype=uint8)
    """
    if observation.dtype != np.bool_:
        return observation[-1].astype(np.uint8)
    first = observation.argmax(axis=0) + 1
    return np.where(observation.any(axis=0), first, 0).astype(np.uint8)


def packed(image: NDArray[np.uint8]) -> str:
    """Return a picture as text; see :func:`unpacked`."""
    size = "x".join(map(str, image.shape))
    return f"{size}:{base64.b64encode(image.tobytes()).decode()}"


def unpacked(text: str) -> NDArray[np.uint8]:
    """Return the picture.

    >>> unpacked(packed(np.array([[1, 2], [3, 4]], dtype=np.uint8))).tolist()
    [[1, 2], [3, 4]]
    """
    size, _, content = text.partition(":")
    shape = [int(number) for number in size.split("x")]
    return np.frombuffer(base64.b64decode(content), dtype=np.uint8).reshape(shape)


def show(axes: Any, image: NDArray[Any], **options: Any) -> None:
    """Draw a picture: the objects of a grid in their colours, or grey pixels."""
    if max(image.shape) <= 10:  # MinAtar
        axes.imshow(image, cmap=ListedColormap(COLOURS), vmin=0, vmax=len(COLOURS) - 1, **options)
    else:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, **options)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.6)
