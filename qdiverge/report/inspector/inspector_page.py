"""The Inspector's page: the kernel, its worst rows, its layers and the pairs that push."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qdiverge.report.document import document, headline, section, write_page
from qdiverge.report.drawing.heatmap import heatmap, similarity
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.inspector.cards import pair_card, row_card
from qdiverge.report.inspector.inspected import Inspection, inspection_of
from qdiverge.report.inspector.observation_pictures import scale_of
from qdiverge.report.numbers import human, percent, whole
from qdiverge.report.prose import formula, unbroken
from qdiverge.report.siblings import report_beside
from qdiverge.thing_checks import check_instance, check_list, check_path, check_text

_STYLE = Path(__file__).with_name("inspector.css")
_HEALTH = {
    "divergent": ("diverged", "✕", "The linearised update diverges"),
    "certified": ("healthy", "●", "The linearised update contracts"),
    "undecided": ("unknown", "○", "Undecided"),
}


def inspect(
    q_net: Any,
    batch: Any,
    discount: float = 0.99,
    learning_rate: float | None = None,
    *,
    out: str | os.PathLike[str] = "moment.html",
    title: str = "One moment",
    action_names: Sequence[str] = (),
    **options: Any,
) -> Path:
    """Write one self-contained page on one moment of a Q-network, and return its path.

    It shows the kernel ordered by similarity, the rows that are farthest from the contraction
    condition with their observations, the layers that carry the leading eigenvector of K and the
    growing mode of I + αAD, and the pairs of transitions that push that mode.

    Args:
        q_net: Called as ``q_net(observations)``; returns [N, A]. Left untouched.
        batch: N transitions, as for :func:`qdiverge.diagnose`; some 30 to 200 read best.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i²; None: the optimiser's, or 1e-4 without one.
        out: The page.
        title: Its heading.
        action_names: Of each action; without, they go by their numbers.
        options: Further arguments of :func:`qdiverge.diagnose`, such as ``target``, ``optimizer``,
            ``target_period`` and ``loss``.

    Raises:
        InvalidValueError: as :func:`qdiverge.diagnose`.
        RunFolderError: the page cannot be written.
    """
    page = check_path("out", out)
    check_text("title", title)
    names = tuple(check_list("action_names", action_names, check_text))
    inspection = inspection_of(q_net, batch, discount, learning_rate, action_names=names, **options)
    return write_inspection(inspection, page, title)


def write_inspection(
    inspection: Inspection, out: str | os.PathLike[str], title: str = "One moment"
) -> Path:
    """Write the page, whole or not at all, and return its path.

    Raises:
        InvalidTypeError, InvalidValueError: that is no inspection, no path, or no title.
        RunFolderError: it cannot be written.
    """
    check_instance("inspection", inspection, Inspection)
    check_text("title", title)
    page = check_path("out", out)
    return write_page(render(inspection, title, report_beside(page)), page)


def render(inspection: Inspection, title: str, report: Markup | None = None) -> str:
    """Return the page as HTML, with a link to the report of the run where there is one."""
    diagnosis = inspection.diagnosis
    about = (
        f"{whole(len(inspection.values))} transitions, γ = {diagnosis.discount:g}, "
        f"α = {diagnosis.learning_rate:g}. Rows go by their place in the batch, from 0."
    )
    if inspection.num_repeats:
        about += f" Left out: {whole(inspection.num_repeats)}, which repeat a pair (s, a)."
    parts = [
        element("p", unbroken(about), *([" ", report, "."] if report else []), class_="meta"),
        _verdict(inspection),
        section("Which states move together?", _similarity(inspection)),
        section("Which rows fail worst?", _rows(inspection)),
        section("Which layer carries it?", _layers(inspection)),
        section("Which pairs drive it?", _pairs(inspection)),
        section("The diagnosis in full", _full(str(diagnosis))),
    ]
    return document(title, parts, style=_STYLE)


def _verdict(inspection: Inspection) -> Markup:
    diagnosis = inspection.diagnosis
    kind, mark, text = _HEALTH[diagnosis.stability.verdict]
    if diagnosis.is_beyond:
        kind, mark, text = "diverged", "✕", "The values are beyond their bound"
    items = [element("li", unbroken(sentence)) for sentence in diagnosis.advice]
    return element(
        "div",
        headline(mark, text),
        element(
            "p",
            unbroken(
                f"Spectral rate {human(diagnosis.stability.update_radius, 5)} an update; "
                f"self-excitation {human(diagnosis.stability.self_excitation)}; max |Q| "
                f"{human(diagnosis.q_values['diverge/q_abs_max'])} of at most "
                f"{human(diagnosis.bound)}; the row condition holds in "
                f"{percent(diagnosis.contraction.fraction_holding)} of the rows."
            ),
        ),
        element("ul", *items),
        class_=f"verdict {kind}",
    )


def _caption(definition: str, how: str | Markup) -> Markup:
    return element(
        "figcaption",
        element("p", formula(definition), class_="formula"),
        element("p", how, class_="how"),
    )


def _similarity(inspection: Inspection) -> Markup:
    N = len(inspection.values)
    actions = inspection.actions if inspection.actions.ndim == 1 else np.zeros(N, np.int64)
    cosine = similarity(inspection.kernel)
    others = cosine[~np.eye(N, dtype=bool)]
    finite = others[np.isfinite(others)]
    note = ""
    if finite.size:
        note = (
            f"Mean off the diagonal {human(float(finite.mean()))}, "
            f"{percent(float((finite > 0.5).mean()))} above 0.5, "
            f"{percent(float((finite < 0).mean()))} below 0."
        )
    if inspection.action_names:
        named = ", ".join(f"{k} {name}" for k, name in enumerate(inspection.action_names))
        note += f" Actions: {named}."
    marked = inspection.worst_rows if N > 2 else ()
    drawn = heatmap(
        f"Similarity of {N} transitions", inspection.kernel, actions, inspection.order, marked
    )
    how = Markup(
        '<span class="blue">Blue</span>: an update of one moves the other along;'
        ' <span class="orange">orange</span>: against; paper: not at all. Rows are ordered by'
        " similarity, so that squares on the diagonal are groups that the network treats alike."
        " Bars above and on the left: the actions. Numbers on the right: the worst rows, below."
    )
    return element(
        "figure",
        _caption("c_{ij} = K_{ij} / √(K_{ii} K_{jj})", how),
        element("div", drawn, class_="kernel cell"),
        element("p", unbroken(note), class_="note"),
    )


def _rows(inspection: Inspection) -> Markup:
    scale = scale_of(np.concatenate([inspection.observations, inspection.next_observations]))
    allowed = inspection.diagnosis.contraction.row_ratio_bound
    how = unbroken(
        f"The condition allows a ratio of (1−γ)/(1+γ) = {human(allowed)}. The largest come first;"
        " each with s, s′, and the row whose gradient is most like its own."
    )
    cards = [row_card(inspection, row, scale) for row in inspection.worst_rows]
    caption = _caption("Σ_{j≠i} |K_{ij}| ρ_j / (K_{ii} ρ_i), the row ratio", how)
    return element("figure", caption, element("div", *cards, class_="cards"))


def _layers(inspection: Inspection) -> Markup:
    attribution = inspection.diagnosis.attribution
    eigenvalue = attribution.eigenvalue.real
    left = element(
        "div",
        _caption(
            "vᵀK^{(ℓ)}v / vᵀKv, v the leading eigenvector of K",
            formula(
                f"λ_{{max}} = {human(inspection.leading)}: the direction in which one step moves"
                " the Q-values most, and which layers move them."
            ),
        ),
        _bars(inspection.loadings, is_share=True),
    )
    growth = "grows" if inspection.grows else "does not grow"
    right = element(
        "div",
        _caption(
            "Re wᴴA^{(ℓ)}Dv / wᴴv, v the leading mode of AD",
            f"They sum to Re λ = {human(eigenvalue)}: the mode {growth} without a target network."
            " Blue layers push it up, orange ones hold it down.",
        ),
        _bars(inspection.mode_loadings, is_share=False),
    )
    return element("figure", element("div", left, right, class_="single"))


def _bars(shares: Mapping[str, float], is_share: bool) -> Markup:
    """Return a row for each layer: its name, a bar from the middle or the left, its number."""
    largest = max((abs(share) for share in shares.values()), default=0.0) or 1.0
    rows = []
    for name, share in shares.items():
        width = f"{100 * abs(share) / largest:.1f}%"
        bar = element("span", "", class_="bar" if share >= 0 else "bar minus", style=f"--w:{width}")
        number = percent(share) if is_share else human(share)
        rows.append(element("tr", element("th", name), element("td", bar), element("td", number)))
    return element("table", element("tbody", *rows), class_="bars")


def _pairs(inspection: Inspection) -> Markup:
    scale = scale_of(np.concatenate([inspection.observations, inspection.next_observations]))
    kind = "growing" if inspection.grows else "leading, not growing"
    how = (
        f"What an update of row j, on the left, adds to the {kind} mode through the TD error of"
        " row i, on the right: how much of the mode j has, times the change γk′ − k of i’s error,"
        " k′ at its s′ and greedy action, times how much the mode takes up from i."
    )
    cards = [pair_card(inspection, pair, scale) for pair in inspection.pairs]
    caption = _caption("Re w̄_i (AD)_{ij} v_j / wᴴv", how)
    return element("figure", caption, element("div", *cards, class_="pairs"))


def _full(text: str) -> Markup:
    paragraphs = [element("p", unbroken(part)) for part in text.split("\n\n")]
    summary = element("summary", "Every sentence of it")
    return element("details", summary, *paragraphs)
