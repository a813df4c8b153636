"""``qdiverge demo``: an ordinary run and one set up to diverge, both real, side by side."""

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.checks import check_positive
from qdiverge.cli.last_word import told_verdict
from qdiverge.cli.say import say
from qdiverge.cli.watch_settings import Watching
from qdiverge.cli.watched import train_watched
from qdiverge.errors import RunFolderError
from qdiverge.report import write_report


@dataclass(frozen=True)
class Part:
    """One of the demo's runs."""

    config: DQNConfig
    share: float  # of the time
    watching: Watching


ORDINARY = Part(
    DQNConfig(
        environment="ALE/Pong-v5",
        total_steps=20_000,  # agent steps; without a GPU the time ends the run first
        buffer_size=50_000,  # transitions
        learning_starts=1_000,  # agent steps
        exploration_steps=20_000,  # agent steps
        checkpoint_period=None,  # a demo is not resumed, and need not leave its replay behind
    ),
    share=0.6,
    watching=Watching(
        every=10,  # updates
        cost="full",
        max_overhead=0.2,  # share of the run's own time
        stop_beyond_bound=10.0,
        epoch_period=2_500,  # agent steps
    ),
)
# No target network, and a step too large for that: the values rise within some fifty updates, so
# it is measured at every other one.
DIVERGING = Part(
    replace(ORDINARY.config, use_target_network=False, learning_rate=2.5e-4),
    share=0.4,
    watching=replace(ORDINARY.watching, every=2, max_overhead=3.0),
)
PARTS = {"ordinary": ORDINARY, "diverging": DIVERGING}


@dataclass(frozen=True)
class Options:
    """Train a DQN on Atari Pong twice, watched: as usual, and set up to diverge.

    The second run has no target network and too large a step; copies that train ahead of it say so
    before its values leave what any policy can earn, and about when they will. Of
    the first they say nothing. Both end side by side in one report.html.
    """

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A new folder for the two runs; by default runs/demo-DATE-TIME."""
    seconds: float = 240.0
    """Wall-clock time of the two runs together."""
    seed: int = 1


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    check_positive("seconds", options.seconds)
    folder = options.out or Path("runs") / f"demo-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    for name in PARTS:
        if (folder / name / "run.json").exists():
            raise RunFolderError(
                "the folder must not hold a run yet",
                got=f"{folder / name}, which holds one",
                remedy="Choose another --out, or delete that folder.",
            )
    say(f"Two real runs on Pong, about {options.seconds:.0f} s together, in {folder}")
    try:
        for name, part in PARTS.items():
            train_watched(
                replace(part.config, seed=options.seed),
                folder / name,
                part.watching,
                seconds=part.share * options.seconds,
            )
            told_verdict(folder / name)
    finally:
        made = [folder / name for name in PARTS if (folder / name / "events.jsonl").exists()]
        page = write_report(made, folder / "report.html") if made else None
    say(f"\nThe report, also for a browser: {page}")
