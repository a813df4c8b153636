"""One transition as a card: where it was, what was done, where it led, and what is said of it."""

import numpy as np

from qdiverge.report.drawing.heatmap import similarity
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.inspector.inspected import Inspection
from qdiverge.report.inspector.observation_pictures import Scale, picture
from qdiverge.report.numbers import brief, human, percent
from qdiverge.report.prose import unbroken


def row_card(inspection: Inspection, row: int, scale: Scale) -> Markup:
    """Return a row of the contraction condition with its transition."""
    contraction = inspection.diagnosis.contraction
    text = f"row ratio {human(float(contraction.row_ratio[row]))}"
    alike = most_alike(inspection.kernel, row)
    if alike is not None:
        other, cosine = alike
        text += f"; most alike: row {other}, c = {human(cosine, 2)}"
    return element("div", *_transition(inspection, row, scale), _line(text), class_="card")


def pair_card(inspection: Inspection, pair: tuple[int, int, float], scale: Scale) -> Markup:
    """Return a pair that pushes: the updated transition, then the one whose TD error it moves."""
    i, j, share = pair
    eigenvalue = inspection.diagnosis.attribution.eigenvalue.real
    value, excess = float(inspection.kernel[i, j]), float(inspection.excess[i, j])
    text = f"Push {human(share)}"
    if inspection.grows and 0 < share <= eigenvalue:
        text += f", {percent(share / eigenvalue)} of Re λ"
    whose = "its own" if i == j else "the other’s"
    text += (
        f". A step on row {j} moves {whose} value by k = {human(value)} and {whose} target by"
        f" γk′ = {human(value + excess)}, in units of αρδ."
    )
    cards = [element("div", *_transition(inspection, j, scale), class_="card")]
    if i != j:
        arrow = element("span", "→", class_="arrow")
        cards += [arrow, element("div", *_transition(inspection, i, scale), class_="card")]
    head = element("p", element("b", f"{j} on {'itself' if i == j else i}"), f" · {unbroken(text)}")
    return element("div", head, element("div", *cards, class_="two"), class_="push")


def most_alike(kernel: np.ndarray, row: int) -> tuple[int, float] | None:
    """Return the other row of the largest |c|, and c; None where there is none.

    >>> most_alike(np.array([[1.0, 0.2, -0.9], [0.2, 1.0, 0.0], [-0.9, 0.0, 1.0]]), 0)
    (2, -0.9)
    """
    cosine = similarity(kernel)[row]
    cosine[row] = np.nan
    if not np.isfinite(cosine).any():
        return None
    other = int(np.nanargmax(np.abs(cosine)))
    return other, float(cosine[other])


def _transition(inspection: Inspection, row: int, scale: Scale) -> list[Markup]:
    """Draw the pictures of s and s′, and under them a, r, d, Q, the target and δ."""
    ended = bool(inspection.terminated[row])
    action = inspection.action_name(row)
    pictures = [
        element("div", picture(f"{name} of row {row}", observations[row], scale), class_="shot")
        for name, observations in (
            ("Observation", inspection.observations),
            ("Next observation", inspection.next_observations),
        )
    ]
    q, δ = float(inspection.values[row]), float(inspection.td_errors[row])
    reward = float(inspection.rewards[row])
    return [
        element("div", *pictures, class_="shots"),
        element("p", element("b", f"{row}"), f" · {action} · r {brief(reward)}"
                + (" · the end" if ended else ""), class_="note"),
        _line(f"Q {brief(q)}, target {brief(q + δ)}, δ {brief(δ)}"),
    ]  # fmt: skip


def _line(text: str) -> Markup:
    return element("p", unbroken(text), class_="note")
