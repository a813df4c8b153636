"""``qdiverge inspect RUN``: one moment of a run on one page."""

from dataclasses import dataclass
from pathlib import Path

from qdiverge.cli.choice import Choice, chosen_moment
from qdiverge.cli.moments import action_names
from qdiverge.cli.say import say
from qdiverge.report.inspector import inspect
from qdiverge.report.verdict import verdict_on


@dataclass(frozen=True)
class Options(Choice):
    """Write one page on a saved moment: kernel, worst rows, layers, and the pairs that push.

    Of a run of qdiverge's own trainer the newest checkpoint, on experience that its agent collects;
    of any run a snapshot (on_alarm="snapshot"), on the very batch of its update.
    """

    out: Path | None = None
    """The page; by default moment-STEP.html in the run's folder."""


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    moment = chosen_moment(options)
    run, facts = moment.run, moment.facts
    name = f"update-{facts['snapshot']}" if "snapshot" in facts else facts["step"]
    out = options.out or run.folder / f"moment-{name}.html"
    names = action_names(run, trust=options.trust_environment)
    title = f"{moment.title}; the run: {verdict_on(run).headline}"
    say(inspect(**moment.arguments, out=out, title=title, action_names=names))
