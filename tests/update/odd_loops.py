"""Sound loops that are odd in one way each: their gradient is left, and nothing is wrong with it.

Each returns network, target, batch, and what ``qd.audit`` is told besides.
"""

import copy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

DISCOUNT = 0.97


def draw(num=32, dtype=torch.float32, spread=1.0, ends=0.15):
    return {
        "observations": torch.randn(num, 6, dtype=dtype), "actions": torch.randint(3, (num,)),
        "rewards": spread * torch.randn(num, dtype=dtype),
        "next_observations": torch.randn(num, 6, dtype=dtype),
        "terminated": (torch.rand(num) < ends).to(dtype),
    }  # fmt: skip


def mlp(*parts):
    hidden = (nn.Linear(6, 48), nn.ReLU(), *(parts or (nn.Linear(48, 48),)), nn.ReLU())
    return nn.Sequential(*hidden, nn.Linear(48, 3))


def near(net):
    other = copy.deepcopy(net)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.05 * torch.randn_like(p))
    return other


def objective(net, target, batch, loss=F.smooth_l1_loss, discount=DISCOUNT, **options):
    with torch.no_grad():
        best = target(batch["next_observations"]).amax(1)
        y = batch["rewards"] + discount * (1 - batch["terminated"]) * best
    q = net(batch["observations"]).gather(1, batch["actions"][:, None]).squeeze(1)
    return loss(q, y, **options)


def trained(net=None, batch=None, scale=1.0, **options):
    net, batch = net or mlp(), batch or draw()
    target = near(net)
    (scale * objective(net, target, batch, **options)).backward()
    return net, target, batch, {}


def weighted(weights):
    batch = draw() | {"weights": weights}
    return trained(
        batch=batch, loss=lambda q, y: (weights * F.smooth_l1_loss(q, y, reduction="none")).mean()
    )


def n_step():
    batch = draw()
    batch["discounts"] = DISCOUNT ** torch.randint(1, 4, (32,)).float()
    return trained(batch=batch, discount=batch["discounts"])


def importance_weights():
    return weighted(torch.rand(32) + 0.1)


def rows_of_no_weight():
    return weighted((torch.rand(32) < 0.5).float())


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(8, 48), nn.ReLU())
        self.heads = nn.ModuleList([nn.Linear(48, 1), nn.Linear(48, 1)])

    def forward(self, s, a):
        x = self.trunk(torch.cat([s, a], 1))
        return tuple(head(x) for head in self.heads)


def soft_critics_of_one_trunk():
    net, batch = TwoHeads(), draw()
    target = near(net)
    batch |= {"actions": torch.randn(32, 2), "next_actions": torch.randn(32, 2)}
    batch["next_log_probs"] = torch.randn(32)
    values = torch.cat(target(batch["next_observations"], batch["next_actions"]), 1).amin(1)
    m = values - 0.2 * batch["next_log_probs"]
    y = (batch["rewards"] + DISCOUNT * (1 - batch["terminated"]) * m).detach()
    pairs = batch["observations"], batch["actions"]
    sum(F.mse_loss(q.squeeze(1), y) for q in net(*pairs)).backward()
    return net, target, batch, {"entropy_coefficient": 0.2}


def tokens(*, sparse=False):
    net = nn.Sequential(
        nn.Embedding(20, 16, sparse=sparse), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(),
        nn.Linear(32, 3),
    )  # fmt: skip
    s, s_next = torch.randint(20, (2, 32, 4))
    return trained(net, draw() | {"observations": s, "next_observations": s_next})


def sparse_embedding():
    return tokens(sparse=True)


def frames_of_bytes():
    class Scaled(nn.Module):
        def forward(self, x):
            return x.float() / 255

    net = nn.Sequential(Scaled(), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
    s, s_next = torch.randint(256, (2, 32, 1, 8, 8), dtype=torch.uint8)
    return trained(net, draw() | {"observations": s, "next_observations": s_next})


def float64():
    return trained(mlp().double(), draw(dtype=torch.float64))


def all_bfloat16():
    return trained(mlp().bfloat16(), draw(dtype=torch.bfloat16))


def in_parts(num=2, dtype=None, norm=None):
    net, batch = mlp(), draw()
    target = near(net)
    for rows in torch.arange(32).split(32 // num):
        with torch.autocast("cpu", dtype or torch.bfloat16, enabled=dtype is not None):
            loss = objective(net, target, {k: v[rows] for k, v in batch.items()}) / num
        loss.backward()
    if norm is not None:
        nn.utils.clip_grad_norm_(net.parameters(), norm)
    return net, target, batch, {"max_grad_norm": norm}


def autocast_and_clipped():
    return in_parts(1, torch.bfloat16, 0.01)


def autocast_in_parts():
    return in_parts(4, torch.bfloat16)


def autocast_to_float16_and_clipped():
    return in_parts(1, torch.float16, 0.01)


def scaled_for_autocast():
    return trained(scale=65536.0)


def summed():
    return trained(reduction="sum")


def repeated_rows():
    return trained(batch={k: v.repeat_interleave(4, 0) for k, v in draw(8).items()})


def four_rows():
    return trained(batch=draw(4))


def one_row():
    return trained(batch=draw(1, spread=3.0))


def frozen_layer():
    net = mlp()
    net[0].requires_grad_(False)
    return trained(net)


def every_row_ends():
    return trained(batch=draw(ends=2.0))


def most_rows_clipped():
    return trained(batch=draw(spread=50.0))


def large_values():
    net = mlp()
    with torch.no_grad():
        net[-1].bias.add_(1e4)
    return trained(net)


def more_rows_than_parameters():
    return trained(nn.Linear(6, 3), draw(128))


def table():
    net = nn.Linear(6, 3, bias=False)
    nn.init.zeros_(net.weight)
    states = F.one_hot(torch.randint(6, (2, 64)), 6).float()
    return trained(net, draw(64) | {"observations": states[0], "next_observations": states[1]})


def tied_layers():
    layer = nn.Linear(48, 48)
    return trained(mlp(layer, nn.ReLU(), layer))


def weight_normalised():
    return trained(mlp(nn.utils.parametrizations.weight_norm(nn.Linear(48, 48))))


def target_moved_before_the_step(tau=0.005):
    net, target, batch, options = trained()
    with torch.no_grad():
        for slow, fast in zip(target.parameters(), net.parameters(), strict=True):
            slow.lerp_(fast, tau)
    return net, target, batch, options


class Short(torch.autograd.Function):
    """x wᵀ of factors with 10 bits, as TF32 has: what convolutions on a GPU are made in."""

    @staticmethod
    def cut(x):
        bits = x.detach().contiguous().view(torch.int32)
        return (bits + 4096 & ~8191).view(torch.float32)

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return Short.cut(x) @ Short.cut(w).T

    @staticmethod
    def backward(ctx, g):
        x, w = map(Short.cut, ctx.saved_tensors)
        return Short.cut(g) @ w, Short.cut(g).T @ x


class ShortLinear(nn.Linear):
    def forward(self, x):
        product = Short.apply(x, self.weight) if x.dtype == torch.float32 else x @ self.weight.T
        return product + self.bias


def factors_of_ten_bits():
    return trained(mlp(ShortLinear(48, 48)))


SOUND = [
    n_step, importance_weights, rows_of_no_weight, soft_critics_of_one_trunk, tokens,
    sparse_embedding, frames_of_bytes, float64, all_bfloat16, in_parts, autocast_and_clipped,
    autocast_in_parts, autocast_to_float16_and_clipped, scaled_for_autocast, summed, repeated_rows,
    four_rows, one_row, frozen_layer, every_row_ends, most_rows_clipped, large_values,
    more_rows_than_parameters, table, tied_layers, weight_normalised, target_moved_before_the_step,
    factors_of_ten_bits,
]  # fmt: skip


# and some of which nothing can be told


def other_loss_of_the_same_errors():
    return trained(loss=lambda q, y: (q - y).cosh().log().mean())


def spectrally_normalised():
    """Every forward pass in training mode moves what it divides by."""
    return trained(mlp(nn.utils.parametrizations.spectral_norm(nn.Linear(48, 48))))


UNDECIDED = [other_loss_of_the_same_errors, spectrally_normalised]
