"""The update written out, its whole Jacobian by autograd, and what of it a batch can reach."""

from dataclasses import dataclass

import torch

F = torch.float64


@dataclass(frozen=True)
class Rule:
    """An optimiser and a target network; the linear problem is given apart."""

    kind: str = "sgd"  # "sgd", "adam", "adamw", "rmsprop"
    lr: float = 0.1
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    beta2: float = 0.999
    eps: float = 1e-8
    polyak: float | None = None
    period: int | None = None
    loss: str = "half_squared"

    def optimizer(self, parameters):
        if self.kind == "sgd":
            return torch.optim.SGD(
                parameters, self.lr, self.momentum, self.dampening, self.weight_decay, self.nesterov
            )
        if self.kind == "rmsprop":
            return torch.optim.RMSprop(parameters, self.lr, eps=self.eps)
        kind = torch.optim.Adam if self.kind == "adam" else torch.optim.AdamW
        betas = (self.momentum, self.beta2)
        return kind(parameters, self.lr, betas, self.eps, self.weight_decay)


@dataclass(frozen=True)
class Linear:
    """Q_c(s, a) = W_c[a]·s of C critics with A actions; the bootstrap is the least of the critics.

    One critic is greedy (a* by argmax); several, each a function of (s, a) ∈ features, have A = 1.
    """

    features: torch.Tensor  # [N, D]
    actions: torch.Tensor  # [N]
    rewards: torch.Tensor  # [N]
    following: torch.Tensor  # [N, D]
    discounts: torch.Tensor  # [N], γ(1 − d)
    shape: tuple[int, int]  # critics, actions

    def values(self, w, s):
        critics, actions = self.shape
        return torch.einsum("cad,nd->cna", w.reshape(critics, actions, -1), s)

    def targets(self, w, rewards):
        return rewards + self.discounts * self.values(w, self.following).amin(0).amax(1)

    def loss(self, w, y, kind):
        q = self.values(w, self.features).gather(
            2, self.actions[None, :, None].expand(self.shape[0], -1, 1)
        )[:, :, 0]
        δ = y - q
        losses = δ.square() / 2 if kind != "squared" else δ.square()
        if kind == "huber":
            losses = torch.where(δ.abs() <= 1, losses, δ.abs() - 0.5)
        return losses.mean(1).sum()


def one_update(rule, problem, x, rewards, P):
    """x = (θ, θ⁻, m) → x', with P = 1/(√v̂ + ε) held fast."""
    has_target = rule.polyak is not None or rule.period is not None
    w, slow, m = x.reshape(3, -1)
    y = problem.targets(slow if has_target else w, rewards)  # held fast by the gradient
    g = torch.func.grad(lambda θ: problem.loss(θ, y, rule.loss))(w)
    if rule.kind in ("sgd", "adam"):
        g = g + rule.weight_decay * w
    if rule.kind == "adamw":
        w = w - rule.lr * rule.weight_decay * w
    κ = 1 - (rule.momentum if rule.kind in ("adam", "adamw") else rule.dampening)
    if rule.kind == "rmsprop":
        κ = 1.0
    m_new = rule.momentum * m + κ * g
    moved = g + rule.momentum * m_new if rule.nesterov else m_new
    w_new = w - rule.lr * P * moved
    slow_new = slow if rule.polyak is None else slow + rule.polyak * (w_new - slow)
    return torch.cat([w_new, slow_new, m_new])


def reachable(matrices, S):
    """Return the matrices on the smallest subspace that holds range(S) and that all leave alone."""
    W, new = torch.zeros(len(S), 0, dtype=F), S / S.norm()
    while True:
        for _ in range(2):
            new = new - W @ (W.T @ new)
        U, σ, _ = torch.linalg.svd(new, full_matrices=False)
        if (U := U[:, σ > 1e-10]).shape[1] == 0:
            return [W.T @ M @ W for M in matrices]
        W = torch.cat([W, U], 1)
        new = torch.cat([M @ U for M in matrices], 1)


def radius(M):
    return float(torch.linalg.eigvals(M).abs().max())


def true_growth(rule, problem, x, P):
    """Return the per-update growth by the whole Jacobian of the update."""

    def update(x, rewards):
        return one_update(rule, problem, x, rewards, P)

    J = torch.func.jacrev(update, argnums=0)(x, problem.rewards)
    S = torch.func.jacrev(update, argnums=1)(x, problem.rewards)
    if float(S.norm()) == 0:
        return None  # every row is saturated
    if rule.period is None:
        return radius(*reachable([J], S))
    p, eye = len(x) // 3, torch.eye(len(x), dtype=F)
    held, copied = eye.clone(), torch.zeros_like(eye)
    held[p : 2 * p] = 0  # what the target is plays no part of the state between two copies
    copied[p : 2 * p, :p] = eye[:p, :p]
    A, B = reachable([held @ J @ held, held @ J @ copied], held @ S)
    whole = torch.eye(len(A), dtype=F)
    for _ in range(rule.period):
        whole = A @ whole + B  # the target is what the weights were at first
    return radius(whole) ** (1 / rule.period)
