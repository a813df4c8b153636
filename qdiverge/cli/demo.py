"""``qdiverge demo``: an ordinary run and one set up to diverge, both real, side by side."""

import datetime
import time
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
    share=0.25,  # or more, where the other one ends early
    watching=Watching(
        every=10,  # updates
        cost="full",
        max_overhead=0.2,  # share of the run's own time
        stop_beyond_bound=10.0,
        epoch_period=2_500,  # agent steps
    ),
)
# No target network, batches of 4, and a step too large for that: on ten seeds of ten the values set
# out upwards between updates 10 and 100, and pass their limit some 25 updates later. It ends by its
# values, and is measured by its updates alone, so that no processor sees another run.
DIVERGING = Part(
    replace(
        ORDINARY.config,
        use_target_network=False,
        batch_size=4,
        learning_rate=2.5e-4,
        total_steps=3_400,  # agent steps, 600 updates: were it not to diverge
    ),
    share=0.75,
    watching=replace(ORDINARY.watching, every=2, max_overhead=None),
)
PARTS = {"diverging": DIVERGING, "ordinary": ORDINARY}  # in the order in which they run


@dataclass(frozen=True)
class Options:
    """Train a DQN on Atari Pong twice, watched: as usual, and set up to diverge.

    The latter comes first, without a target network and with too large a step, and ends at ten
    times what any policy can earn; copies that train ahead of it say so before its values pass
    that limit, and about when they will. Of the ordinary run, which has the time that is left,
    they say nothing. Both end side by side in one report.html.
    """

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """A new folder for the two runs; by default runs/demo-DATE-TIME."""
    seconds: float = 225.0
    """Wall-clock time of the two runs together; the page takes some seconds more."""
    seed: int = 1


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    check_positive("seconds", options.seconds)
    start = time.monotonic()
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
            seconds = part.share * options.seconds
            if part is ORDINARY:
                seconds = max(seconds, options.seconds - (time.monotonic() - start))
            config = replace(part.config, seed=options.seed)
            train_watched(config, folder / name, part.watching, seconds=seconds)
            told_verdict(folder / name)
    finally:
        parts = [folder / name for name in reversed(PARTS)]
        made = [part for part in parts if (part / "events.jsonl").exists()]
        page = write_report(made, folder / "report.html") if made else None
    say(f"\nThe report, also for a browser: {page}")
