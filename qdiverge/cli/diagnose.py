"""``qdiverge diagnose``: the full diagnosis of a saved moment of a run."""

import json
import math
from dataclasses import dataclass
from typing import Any

from qdiverge.cli.choice import Choice, chosen_moment
from qdiverge.cli.say import say
from qdiverge.diagnostics import Diagnosis, diagnose
from qdiverge.plain_text import plain_lines
from qdiverge.report.verdict import verdict_on
from qdiverge.runs.whole import write_whole


@dataclass(frozen=True)
class Options(Choice):
    """Diagnose a saved moment: will its updates contract or blow up, why, what to change.

    Of a run of qdiverge's own trainer the newest checkpoint, on experience that its agent collects;
    of any run a snapshot (on_alarm="snapshot"), on the very batch of its update. Leaves
    diagnosis.txt and diagnosis.json in the run's folder.
    """


def main(options: Options) -> None:
    """Run the command; see :func:`qdiverge.cli.main`."""
    moment = chosen_moment(options)
    diagnosis = diagnose(**moment.arguments)
    verdict = verdict_on(moment.run)
    of_run = f"The run: {verdict.headline}. {' '.join(verdict.sentences)}"
    text = f"{moment.title}\n{of_run}\n\nThis moment:\n{diagnosis}"
    folder = moment.run.folder
    write_whole(folder / "diagnosis.txt", plain_lines(text) + "\n")
    about = moment.facts | {"run": {"health": verdict.health, "headline": verdict.headline}}
    content = json.dumps(about | as_json(diagnosis), indent=1, allow_nan=False)
    write_whole(folder / "diagnosis.json", content + "\n")
    say(text)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the numbers of a diagnosis and its advice; NaN and infinities as strings."""
    stability, contraction = diagnosis.stability, diagnosis.contraction
    numbers = {
        "learning_rate": diagnosis.learning_rate,
        "discount": diagnosis.discount,
        "soft_divergence_bound": diagnosis.bound,
        "q_abs_max": diagnosis.q_values["diverge/q_abs_max"],
        "td_error_abs_mean": float(diagnosis.td_errors.abs().mean()),
        "clipped_share": diagnosis.clipped_share,
        "linearisation_error": diagnosis.linearisation_error,
        "forecast": diagnosis.forecast,
        "spectral_radius": stability.spectral_radius,
        "self_excitation": stability.self_excitation,
        "certified_modulus": stability.certified_modulus,
        "max_learning_rate": stability.max_learning_rate,
        "transient_gain": stability.transient_gain,
        "fraction_holding": contraction.fraction_holding,
        "modulus": contraction.modulus,
    }
    return {
        "verdict": stability.verdict,
        **{key: value if math.isfinite(value) else str(value) for key, value in numbers.items()},
        "layers": diagnosis.attribution.layers,
        "advice": list(diagnosis.advice),
    }
