"""``qdiverge evaluate RUN``: whole episodes under a published protocol, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from qdiverge.agents.evaluation.environments import game_of
from qdiverge.agents.evaluation.episodes import Evaluation, evaluate, play_randomly
from qdiverge.agents.evaluation.evaluation_file import result_of, write_result
from qdiverge.agents.evaluation.frame_files import check_pictures, write_gif, write_strip
from qdiverge.agents.evaluation.playing import PlayedEpisode
from qdiverge.agents.evaluation.protocols import Protocol, find_protocol
from qdiverge.agents.evaluation.summary import summary_of
from qdiverge.agents.saved_agent import SavedAgent, load_agent
from qdiverge.checks import check_integer
from qdiverge.cli.counting import Counting
from qdiverge.cli.say import say
from qdiverge.cli.trust import TrustFlag
from qdiverge.errors import InvalidValueError
from qdiverge.runs import load_run
from qdiverge.runs.checkpoints import CheckpointStore


@dataclass(frozen=True)
class Options:
    """Play whole episodes with a run's network under a published protocol.

    Writes every episode, the mean with its 95 % interval, the human-normalised score, predicted
    values against realised returns, and the protocol in full to RUN/evaluations/PROTOCOL-STEP.json.
    """

    run: tyro.conf.Positional[Path]  # a run folder
    protocol: str | None = None
    """nature: 30 episodes of at most 5 minutes, ε = .05. machado: sticky actions, 100 episodes, and
    the last 100 of training. task: greedy, outside Atari. By default nature, or task."""
    episodes: int | None = None  # another number of episodes than the protocol's
    epsilon: float | None = None  # another ε than the protocol's
    step: int | None = None  # the checkpoint; by default the newest
    all_checkpoints: bool = False  # an evaluation for each checkpoint there is
    seed: int = 1  # of the episodes
    random: bool = False  # measure a random agent, too; on Atari it acts at 10 Hz
    video: Annotated[Path | None, tyro.conf.arg(metavar="FILE.gif")] = None
    """The first episode as an animated GIF."""
    trust_environment: TrustFlag = False
    strip: Annotated[Path | None, tyro.conf.arg(metavar="FILE.png")] = None
    """Eight frames of the first episode, side by side."""


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    check_integer("seed", options.seed, 0)
    pictures = [path for path in (options.video, options.strip) if path is not None]
    if options.all_checkpoints and (pictures or options.step is not None):
        raise InvalidValueError(
            "--all-checkpoints cannot be given with --step, --video or --strip",
            got="it with one of them",
            remedy="Film one checkpoint: --step.",
        )
    if pictures:
        check_pictures()
    load_run(options.run)  # says what is wrong with a folder that holds none
    steps: Sequence[int | None] = [options.step]
    if options.all_checkpoints:
        # where there is none, load_agent says so
        steps = CheckpointStore(options.run / "checkpoints").steps() or [None]
    for step in steps:
        _evaluate(
            options, load_agent(options.run, step, trust_environment=options.trust_environment)
        )


def _evaluate(options: Options, saved: SavedAgent) -> None:
    """Evaluate one checkpoint, write what came of it, and say it."""
    config = saved.config
    game = game_of(config)
    protocol = find_protocol(
        options.protocol, is_atari=game is not None, environment=config.environment
    ).changed(episodes=options.episodes, epsilon=options.epsilon)
    weights = saved.agent.playing_weights()
    with Counting(f"{protocol.name}, step {saved.step:,}", protocol.episodes) as counting:
        evaluation = evaluate(
            config,
            weights,
            protocol,
            seed=options.seed,
            is_filmed=options.video is not None or options.strip is not None,
            on_episode=counting.episode,
        )
    by_chance: tuple[PlayedEpisode, ...] = ()
    if options.random:
        with Counting("random agent", protocol.episodes) as counting:
            by_chance = play_randomly(
                config, protocol, seed=options.seed, on_episode=counting.episode
            )
    result = result_of(
        evaluation,
        config=config,
        game=game,
        step=saved.step,
        random_play=by_chance,
        training_scores=_training_scores(options.run, protocol, saved.step),
    )
    path = write_result(options.run, result)
    say(summary_of(result))
    for picture in _pictures(options, evaluation):
        say(f"first episode {picture}")
    say(f"written to    {path}")


def _training_scores(run: Path, protocol: Protocol, step: int) -> list[float]:
    """Return the last training episodes up to this step, as many as the protocol asks for."""
    returns = load_run(run).series.get("charts/episodic_return")
    if protocol.training_window is None or returns is None:
        return []
    scores: Any = returns.values[returns.steps <= step]
    return [float(score) for score in scores[-protocol.training_window :]]


def _pictures(options: Options, evaluation: Evaluation) -> list[Path]:
    made = []
    if options.video is not None:
        made.append(write_gif(options.video, evaluation.frames, evaluation.frame_rate))
    if options.strip is not None:
        made.append(write_strip(options.strip, evaluation.frames))
    return made
