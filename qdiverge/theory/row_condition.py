"""Achiam's row condition: when the Q-learning update contracts in the sup norm."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from qdiverge.checks import check_discount, check_positive
from qdiverge.theory.matrix_checks import SCOPE, check_kernel, check_rho, rounding


@dataclass(frozen=True, eq=False)
class ContractionReport:
    """The row condition and the exact row-wise modulus of one batch; ``print`` explains it.

    ``row_holds`` is the paper's condition, equality allowed (β_i ≤ 1); ``row_contracts`` is strict
    (β_i < 1), also past α K_ii ρ_i = 1. Both allow for the rounding of the sums.
    """

    discount: float
    learning_rate: float
    row_holds: Tensor  # bool [N]
    row_contracts: Tensor  # bool [N]
    holds: bool  # every row_holds
    contracts: bool  # every row_contracts
    fraction_holding: float
    margin: Tensor  # [N] (1−γ) K_ii ρ_i − (1+γ) Σ_{j≠i}|K_ij| ρ_j
    row_ratio: Tensor  # [N] Σ_{j≠i}|K_ij| ρ_j / (K_ii ρ_i); 0 where the row is all zero
    row_ratio_bound: float  # (1−γ)/(1+γ)
    mean_row_ratio: float  # mean_i (1/N) Σ_{j≠i}|K_ij| / K_ii, over the rows that are not all zero
    row_modulus: Tensor  # [N] β_i
    modulus: float  # max_i β_i
    max_learning_rate: float  # every β_i < 1 below it; 0.0 where no step works
    unsampled_rows: Tensor  # bool [N] ρ_i = 0
    zero_rows: Tensor  # bool [N] K_ij = 0 for every j: the update never moves the pair
    regression: "ContractionReport | None" = field(repr=False)  # the same at γ = 0

    def __str__(self) -> str:
        size, failing = len(self.row_holds), int((~self.row_holds).sum())
        verdict = "holds in every row" if self.holds else f"fails in {failing} of {size} rows"
        lines = [
            f"Row condition of Achiam et al. (2019), N = {size}, γ = {self.discount:g}, "
            f"α = {self.learning_rate:g}: {verdict}."
        ]
        if self.regression is not None:
            lines.append(_baseline(self, self.regression))
        lines += [_modulus_sentence(self), _worst_rows(self), *_odd_rows(self)]
        return " ".join([*lines, SCOPE.format(n=size)])


def check_contraction(
    K: Tensor, rho: Tensor | None = None, discount: float = 0.99, learning_rate: float = 1e-4
) -> ContractionReport:
    """Test every row of the kernel for contraction of Q' = Q + αKD(T*Q − Q) in the sup norm.

    With x = α K_ii ρ_i and o = α Σ_{j≠i} |K_ij| ρ_j,

        β_i = |1 − x| + γx + (1 + γ)o < 1  ⇔  (1 + γ)o < min((1 − γ)x, 2 − (1 + γ)x),

    of which the paper's condition is the part x < 1, (1 + γ)o ≤ (1 − γ)x. On a minibatch this is
    a diagnostic, no certificate (T*Q leaves the batch), and it fails for ordinary networks also
    at γ = 0, where regression converges: compare with ``.regression``.

    Source: Achiam, Knight & Abbeel (2019), https://arxiv.org/abs/1903.08894, the conditions on K
    and ρ under which the update is a sup-norm contraction; the exact form is ours.

    Args:
        K: kernel ``[N, N]``, symmetric, any float dtype and device (half computes in float32).
        rho: sampling distribution ``[N]``, zeros allowed; uniform by default.
        discount: γ in [0, 1].
        learning_rate: α of the loss ½ Σ ρ_i δ_i² (twice the optimiser's for torch's ``mse_loss``).

    Returns:
        A ContractionReport; its tensors keep K's device.

    Raises:
        InvalidTypeError: K or rho is no floating-point tensor.
        InvalidValueError: K is not finite, square, symmetric, or K_ii < 0; rho is no distribution;
            discount or learning_rate is out of range.

    >>> report = check_contraction(torch.eye(2), discount=0.5, learning_rate=1.0)
    >>> report.holds, report.modulus, round(report.max_learning_rate, 3)
    (True, 0.75, 2.667)
    """
    K = check_kernel(K)
    discount = check_discount(discount)
    learning_rate = check_positive("learning_rate", learning_rate)
    rho = check_rho(rho, K)
    regression = _report(K, rho, 0.0, learning_rate, None)
    return _report(K, rho, discount, learning_rate, regression)


def _report(
    K: Tensor, rho: Tensor, γ: float, α: float, regression: ContractionReport | None
) -> ContractionReport:
    """Compute the report of checked inputs."""
    own = K.diagonal().clamp(min=0) * rho  # [N] K_ii ρ_i
    absolute = K.abs().fill_diagonal_(0)
    others = absolute @ rho  # [N] Σ_{j≠i} |K_ij| ρ_j
    margin = (1 - γ) * own - (1 + γ) * others
    slack = rounding(K.dtype, len(K)) * (own + others)
    x, o = α * own, α * others
    gap = torch.minimum((1 - γ) * x, 2 - (1 + γ) * x) - (1 + γ) * o  # [N] 1 − β_i
    contracts = gap > α * slack
    largest = 2 / ((1 + γ) * float((own + others).max().clamp(min=torch.finfo(K.dtype).tiny)))
    holds = (x < 1) & (margin >= -slack)
    return ContractionReport(
        discount=γ,
        learning_rate=α,
        row_holds=holds,
        row_contracts=contracts,
        holds=bool(holds.all()),
        contracts=bool(contracts.all()),
        fraction_holding=float(holds.double().mean()),
        margin=margin,
        row_ratio=_ratio(others, own),
        row_ratio_bound=(1 - γ) / (1 + γ),
        mean_row_ratio=_mean_row_ratio(K.diagonal(), absolute.sum(1)),
        row_modulus=1 - gap,
        modulus=1.0 - float(gap.min()),
        max_learning_rate=largest if bool((margin > slack).all()) else 0.0,
        unsampled_rows=rho == 0,
        zero_rows=(K == 0).all(1),
        regression=regression,
    )


def _ratio(others: Tensor, own: Tensor) -> Tensor:
    """Return others / own with 0/0 = 0: an all-zero row meets the condition at equality."""
    return torch.where(others == 0, torch.zeros_like(own), others / own)


def _mean_row_ratio(diagonal: Tensor, others: Tensor) -> float:
    """Return mean_i (1/N) Σ_{j≠i}|K_ij| / K_ii over the rows that are not all zero."""
    alive = (diagonal > 0) | (others > 0)
    if not bool(alive.any()):
        return 0.0
    return float(_ratio(others, diagonal)[alive].mean()) / len(diagonal)


def _baseline(report: ContractionReport, regression: ContractionReport) -> str:
    """Say what the same rows do at γ = 0."""
    size, failing = len(regression.row_holds), int((~regression.row_holds).sum())
    if failing == 0:
        cause = " as well" if report.holds else ", so what fails is due to bootstrapping"
        also = f"every row holds{cause}"
    else:
        also = (
            f"{failing} of {size} rows fail too, where plain regression converges for a small "
            "step, so those failures say nothing about bootstrapping"
        )
    return f"At γ = 0 {also}."


def _modulus_sentence(report: ContractionReport) -> str:
    """Say whether the update contracts and which steps would make it."""
    row = int(report.row_modulus.argmax())
    if report.contracts:
        says = f"1 − β = {1 - report.modulus:.3g} > 0 (row {row}): a contraction in the sup norm"
    elif report.holds:
        says = f"β = {report.modulus:.6g} (row {row}): equality, a non-expansion"
    else:
        says = f"β = {report.modulus:.6g} (row {row}): no contraction in the sup norm is shown"
    steps = (
        f"every step below {report.max_learning_rate:.3g} contracts in every row"
        if report.max_learning_rate > 0
        else "no step size makes every row contract, since the condition is free of α"
    )
    return f"{says}; {steps}."


def _worst_rows(report: ContractionReport, count: int = 3) -> str:
    """Name the rows of the largest ratio."""
    order = report.row_ratio.argsort(descending=True)[:count].tolist()
    rows = ", ".join(f"{i} ({float(report.row_ratio[i]):.3g})" for i in order)
    return (
        f"Worst rows by ratio Σ_(j≠i)|K_ij|ρ_j / (K_ii ρ_i), which may be at most "
        f"{report.row_ratio_bound:.4g}: {rows}."
    )


def _odd_rows(report: ContractionReport) -> list[str]:
    """Explain rows that cannot contract: never sampled, or without a gradient."""
    kinds = (
        ("Rows with ρ_i = 0", report.unsampled_rows, "a pair that is never sampled is moved only "
         "by the others, so its row never contracts."),
        ("Rows of K that are zero", report.zero_rows, "no parameter moves these pairs (dead "
         "units?), so their error stays, β_i = 1."),
    )  # fmt: skip
    places = [(what, rows.nonzero().flatten().tolist(), why) for what, rows, why in kinds]
    return [f"{what}: {len(i)} (first: {i[0]}); {why}" for what, i, why in places if i]
