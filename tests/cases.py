"""Awkward networks with inputs: every way of putting a Q-network together that we know of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils import parametrizations

NUM = 5  # samples of a case


@dataclass(frozen=True)
class Case:
    """A network in float64 with N pairs."""

    q_net: nn.Module
    observations: Tensor
    actions: Tensor


class Lambda(nn.Module):
    """A network whose forward is given, with its parts as children."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.body = forward

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.body(self, *inputs)


class NoisyLinear(nn.Module):
    """y = (μ + σ ∘ ε) x with the noise ε in buffers, drawn once."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / 3)
        self.spread = nn.Parameter(torch.full((outputs, inputs), 0.1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise", torch.randn(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight + self.spread * self.noise, self.bias)


class Doubled(nn.Linear):
    """A Linear with another forward: its rule would be wrong."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x).square()


class Wrapper(nn.Module):
    """What wraps a network without changing it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.module(*inputs)


CASES: dict[str, Callable[[], Case]] = {}


def case(function: Callable[[], nn.Module | Case]) -> Callable[[], Case]:
    """Register a case; a bare network gets vectors of 6 numbers and 3 actions."""

    def make() -> Case:
        torch.manual_seed(sum(map(ord, function.__name__)))
        made = function()
        if isinstance(made, Case):
            return Case(made.q_net.double(), made.observations, made.actions)
        return with_inputs(made, (6,))

    CASES[function.__name__] = make
    return make


def with_inputs(q_net: nn.Module, shape: tuple[int, ...], *, num_actions: int = 3) -> Case:
    """Return a case with normal observations of this shape."""
    actions = torch.arange(NUM) % num_actions
    return Case(q_net.double(), torch.randn(NUM, *shape, dtype=torch.float64), actions)


def head(width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 3))


@case
def linear() -> nn.Module:
    return nn.Linear(6, 3)


@case
def linear_without_bias() -> nn.Module:
    return nn.Linear(6, 3, bias=False)


@case
def mlp_relu() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)
    )


@case
def mlp_inplace_relu() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 16),
        nn.ReLU(inplace=True),
        nn.Linear(16, 8),
        nn.ReLU(inplace=True),
        nn.Linear(8, 3),
    )


@case
def mlp_tanh() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3))


@case
def prelu_has_a_bare_parameter() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.PReLU(8), nn.Linear(8, 3))


@case
def dropout_in_evaluation() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)).eval()


@case
def frozen_first_layer() -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    net[0].requires_grad_(False)
    return net


@case
def frozen_weight_trained_bias() -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    net[0].weight.requires_grad_(False)
    return net


@case
def frozen_bias() -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    net[2].bias.requires_grad_(False)
    return net


@case
def body_under_no_grad() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = self.body_net(x)
        return self.top(h)

    return Lambda(forward, body_net=nn.Linear(6, 8), top=nn.Linear(8, 3))


@case
def unused_parameter() -> nn.Module:
    return Lambda(lambda self, x: self.a(x), a=nn.Linear(6, 3), b=nn.Linear(6, 3))


def _dueling(self: nn.Module, x: Tensor) -> Tensor:
    h = self.trunk(x)
    advantage = self.advantage(h)
    return self.value(h) + advantage - advantage.mean(1, keepdim=True)


@case
def dueling() -> nn.Module:
    trunk = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
    return Lambda(_dueling, trunk=trunk, advantage=nn.Linear(8, 3), value=nn.Linear(8, 1))


@case
def residual() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = self.a(x)
        return self.c(h + torch.relu(self.b(h)))

    return Lambda(forward, a=nn.Linear(6, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 3))


@case
def module_used_twice() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(torch.tanh(self.a(x)))))

    return Lambda(forward, a=nn.Linear(6, 6), b=nn.Linear(6, 3))


@case
def module_used_many_times() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        for _ in range(7):
            x = torch.tanh(self.a(x))
        return self.b(x)

    return Lambda(forward, a=nn.Linear(6, 6, bias=False), b=nn.Linear(6, 3))


@case
def tied_linears() -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))
    net[2].weight = net[0].weight
    return net


@case
def tied_and_transposed() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(self.encode(x))
        return self.top(h @ self.encode.weight)

    return Lambda(forward, encode=nn.Linear(6, 8), top=nn.Linear(6, 3))


@case
def weight_used_outside_its_module() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.a(x) + 0.1 * self.a.weight.square().sum(1)

    return Lambda(forward, a=nn.Linear(6, 3))


@case
def bare_parameters() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return torch.tanh(x @ self.matrix) * self.scale + self.shift

    return Lambda(
        forward,
        matrix=nn.Parameter(torch.randn(6, 3)),
        scale=nn.Parameter(torch.randn(3)),
        shift=nn.Parameter(torch.randn(())),
    )


@case
def bare_scale_on_an_mlp() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)) * self.scale)

    return Lambda(forward, a=nn.Linear(6, 8), b=nn.Linear(8, 3), scale=nn.Parameter(torch.randn(8)))


@case
def overridden_forward() -> nn.Module:
    return nn.Sequential(Doubled(6, 8), nn.Linear(8, 3))


@case
def bilinear() -> nn.Module:
    return Lambda(
        lambda self, x: self.top(self.pair(x, x)), pair=nn.Bilinear(6, 6, 4), top=nn.Linear(4, 3)
    )


@case
def noisy_linear_with_frozen_noise() -> nn.Module:
    return nn.Sequential(NoisyLinear(6, 8), nn.ReLU(), NoisyLinear(8, 3))


@case
def weight_norm() -> nn.Module:
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3))


@case
def spectral_norm_in_evaluation() -> nn.Module:
    return nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3)
    ).eval()


@case
def spectral_norm_in_training() -> nn.Module:
    return nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3)
    )


@case
def orthogonal() -> nn.Module:
    layer = parametrizations.orthogonal(nn.Linear(6, 6), orthogonal_map="cayley")
    return nn.Sequential(layer, nn.Tanh(), nn.Linear(6, 3))


@case
def layer_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))


@case
def layer_norm_without_bias() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8, eps=0.1, bias=False), nn.Linear(8, 3))


@case
def rms_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.RMSNorm(8), nn.Tanh(), nn.Linear(8, 3))


@case
def batch_norm_in_evaluation() -> nn.Module:
    norm = nn.BatchNorm1d(8)
    norm.running_mean, norm.running_var = torch.randn(8), torch.rand(8) + 0.5
    return nn.Sequential(nn.Linear(6, 8), norm, nn.ReLU(), nn.Linear(8, 3)).eval()


@case
def group_norm_of_vectors() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.GroupNorm(2, 8), nn.Tanh(), nn.Linear(8, 3))


@case
def sequence_of_linears() -> Case:
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), head(40))
    return with_inputs(net, (5, 4))  # as many positions as samples


@case
def sequence_over_two_axes() -> Case:
    return with_inputs(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), head(30)), (2, 3, 3))


@case
def sequence_with_wide_layer() -> Case:
    net = nn.Sequential(nn.Linear(40, 30), nn.Tanh(), head(60))
    return with_inputs(net, (2, 40))


@case
def time_first() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x.transpose(0, 1)))  # [T, N, 8] with T = N
        return self.b(h.mean(0))

    return with_inputs(Lambda(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 3)), (5, 4))


@case
def positions_folded_into_the_batch() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x.flatten(0, 1)))
        return self.b(h.unflatten(0, x.shape[:2]).sum(1))

    return with_inputs(Lambda(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 3)), (2, 4))


@case
def time_major_positions_folded() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x.transpose(0, 1).flatten(0, 1)))
        return self.b(h.unflatten(0, (2, -1)).sum(0))

    return with_inputs(Lambda(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 3)), (2, 4))


@case
def samples_in_reverse_order_inside() -> nn.Module:
    return Lambda(lambda self, x: self.a(x.flip(0)).flip(0), a=nn.Linear(6, 3))


@case
def layer_without_samples() -> nn.Module:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        code = torch.tanh(self.code(torch.eye(8, dtype=x.dtype)))  # the same for every sample
        return self.top(torch.tanh(self.body_net(x)) @ code)

    return Lambda(forward, code=nn.Linear(8, 8), body_net=nn.Linear(6, 8), top=nn.Linear(8, 3))


def convolutional(*layers: nn.Module, shape: tuple[int, ...]) -> Case:
    body = nn.Sequential(*layers).double()
    width = body.eval()(torch.zeros(1, *shape, dtype=torch.float64)).numel()
    return with_inputs(nn.Sequential(body, head(width)), shape)


@case
def conv1d() -> Case:
    return convolutional(nn.Conv1d(3, 4, 3, stride=2), nn.ReLU(), shape=(3, 11))


@case
def conv1d_dilated_circular() -> Case:
    layer = nn.Conv1d(3, 4, 3, padding=2, dilation=2, padding_mode="circular")
    return convolutional(layer, nn.Tanh(), shape=(3, 9))


@case
def conv2d_nature_in_small() -> Case:
    return convolutional(
        nn.Conv2d(4, 6, 8, stride=4),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, stride=1),
        nn.ReLU(),
        shape=(4, 24, 24),
    )


@case
def conv2d_stride_does_not_divide() -> Case:
    return convolutional(nn.Conv2d(2, 4, 5, stride=3), nn.ReLU(), shape=(2, 13, 12))


@case
def conv2d_padding() -> Case:
    return convolutional(nn.Conv2d(2, 4, 3, padding=(1, 2)), nn.Tanh(), shape=(2, 6, 5))


@case
def conv2d_same() -> Case:
    layer = nn.Conv2d(2, 4, (2, 3), padding="same", padding_mode="reflect")
    return convolutional(layer, nn.Tanh(), shape=(2, 6, 5))


@case
def conv2d_groups() -> Case:
    return convolutional(nn.Conv2d(4, 6, 3, groups=2, stride=2), nn.Tanh(), shape=(4, 7, 7))


@case
def conv2d_depthwise_dilated() -> Case:
    layer = nn.Conv2d(4, 8, 3, groups=4, dilation=2, bias=False)
    return convolutional(layer, nn.Conv2d(8, 4, 1), nn.Tanh(), shape=(4, 8, 8))


@case
def conv2d_channels_last() -> Case:
    made = convolutional(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), shape=(3, 6, 6))
    net = made.q_net.to(memory_format=torch.channels_last)
    frames = made.observations.to(memory_format=torch.channels_last)
    return Case(net, frames, made.actions)


@case
def conv2d_used_twice() -> Case:
    layer = nn.Conv2d(3, 3, 3, padding=1)
    return convolutional(layer, nn.Tanh(), layer, nn.Tanh(), shape=(3, 5, 5))


@case
def conv2d_frames_folded_into_the_batch() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x.flatten(0, 1)))
        return self.b(h.unflatten(0, x.shape[:2]).flatten(1))

    net = Lambda(forward, a=nn.Conv2d(2, 3, 3), b=nn.Linear(2 * 3 * 9, 3))
    return with_inputs(net, (2, 2, 5, 5))


@case
def conv3d() -> Case:
    layer = nn.Conv3d(2, 3, (2, 3, 3), stride=(1, 2, 1), padding=(0, 1, 0))
    return convolutional(layer, nn.Tanh(), shape=(2, 3, 5, 5))


@case
def transposed_conv() -> Case:
    return convolutional(nn.ConvTranspose2d(2, 3, 3, stride=2), nn.Tanh(), shape=(2, 4, 4))


@case
def conv1d_with_group_norm() -> Case:
    return convolutional(nn.Conv1d(3, 4, 3), nn.GroupNorm(2, 4), nn.Tanh(), shape=(3, 9))


@case
def conv2d_with_group_norm() -> Case:
    return convolutional(
        nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.MaxPool2d(2), shape=(2, 8, 8)
    )


@case
def conv2d_with_instance_norm() -> Case:
    norm = nn.InstanceNorm2d(4, affine=True)
    return convolutional(nn.Conv2d(2, 4, 3), norm, nn.Tanh(), shape=(2, 7, 7))


@case
def conv2d_with_batch_norm_in_evaluation() -> Case:
    made = convolutional(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), shape=(2, 8, 8)
    )
    return Case(made.q_net.eval(), made.observations, made.actions)


@case
def layer_norm_over_places() -> Case:
    return convolutional(nn.Conv2d(2, 3, 3), nn.LayerNorm([3, 4, 4]), nn.Tanh(), shape=(2, 6, 6))


@case
def residual_blocks() -> Case:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.b(torch.relu(self.a(torch.relu(x))))

    return convolutional(nn.Conv2d(2, 4, 3), Block(), Block(), shape=(2, 6, 6))


@case
def uint8_frames() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.net(x.double() / 255)

    net = nn.Sequential(nn.Conv2d(2, 4, 4, stride=2), nn.ReLU(), head(36))
    frames = torch.randint(0, 256, (NUM, 2, 8, 8), dtype=torch.uint8)
    return Case(Lambda(forward, net=net), frames, torch.arange(NUM) % 3)


def tokens(net: nn.Module, vocabulary: int, length: int) -> Case:
    ids = torch.randint(0, vocabulary, (NUM, length))
    return Case(net.double(), ids, torch.arange(NUM) % 3)


@case
def embedding_of_a_state() -> Case:
    net = nn.Sequential(nn.Embedding(7, 5), nn.Tanh(), nn.Linear(5, 3))
    return Case(net, torch.tensor([0, 3, 3, 6, 1]), torch.arange(NUM) % 3)


@case
def tabular() -> Case:
    return Case(nn.Embedding(4, 3), torch.tensor([0, 3, 3, 2, 1]), torch.arange(NUM) % 3)


@case
def embedding_sequence_with_padding() -> Case:
    return tokens(nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Tanh(), head(16)), 6, 4)


@case
def embedding_with_large_vocabulary() -> Case:
    return tokens(nn.Sequential(nn.Embedding(500, 4, padding_idx=1), nn.Tanh(), head(12)), 4, 3)


@case
def embedding_with_positions() -> Case:
    def forward(self: nn.Module, ids: Tensor) -> Tensor:
        return self.top(torch.tanh(self.words(ids) + self.places(torch.arange(ids.shape[1]))))

    parts = {"words": nn.Embedding(6, 4), "places": nn.Embedding(3, 4), "top": head(12)}
    return tokens(Lambda(forward, **parts), 6, 3)


@case
def embedding_tied_to_the_head() -> Case:
    def forward(self: nn.Module, ids: Tensor) -> Tensor:
        return torch.tanh(self.mix(self.words(ids))) @ self.words.weight.T

    net = Lambda(forward, words=nn.Embedding(3, 4), mix=nn.Linear(4, 4))
    return Case(net, torch.randint(0, 3, (NUM,)), torch.arange(NUM) % 3)


@case
def embedding_bag() -> Case:
    return tokens(nn.Sequential(nn.EmbeddingBag(6, 4, mode="sum"), nn.Tanh(), head(4)), 6, 3)


def recurrent(cell: nn.Module, *, has_memory: bool) -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.top(state[0] if has_memory else state)

    return with_inputs(Lambda(forward, cell=cell, top=nn.Linear(5, 3)), (3, 4))


@case
def lstm_cell() -> Case:
    return recurrent(nn.LSTMCell(4, 5), has_memory=True)


@case
def gru_cell() -> Case:
    return recurrent(nn.GRUCell(4, 5), has_memory=False)


@case
def gru_cell_built_of_linears() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 5)
        for step in x.unbind(1):
            reset, update = torch.sigmoid(self.gates(torch.cat([step, h], 1))).chunk(2, 1)
            new = torch.tanh(self.new(torch.cat([step, reset * h], 1)))
            h = (1 - update) * h + update * new
        return self.top(h)

    parts = {"gates": nn.Linear(9, 10), "new": nn.Linear(9, 5), "top": nn.Linear(5, 3)}
    return with_inputs(Lambda(forward, **parts), (3, 4))


@case
def fused_lstm() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.top(self.rnn(x)[0][:, -1])

    rnn = nn.LSTM(4, 5, num_layers=2, batch_first=True)
    return with_inputs(Lambda(forward, rnn=rnn, top=nn.Linear(5, 3)), (3, 4))


@case
def fused_gru_time_first() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.top(self.rnn(x.transpose(0, 1))[0][-1])

    return with_inputs(Lambda(forward, rnn=nn.GRU(4, 5), top=nn.Linear(5, 3)), (3, 4))


@case
def multi_head_attention() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.top(self.attend(x, x, x, need_weights=False)[0])

    attend = nn.MultiheadAttention(4, 2, batch_first=True)
    return with_inputs(Lambda(forward, attend=attend, top=head(12)), (3, 4))


@case
def transformer_layer() -> Case:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    return with_inputs(nn.Sequential(layer, head(12)), (3, 4))


@case
def transformer_layer_time_first() -> Case:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.top(self.layer(x.transpose(0, 1)).transpose(0, 1))

    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)
    return with_inputs(Lambda(forward, layer=layer, top=head(12)), (3, 4))


@case
def data_parallel() -> nn.Module:
    return nn.DataParallel(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))


@case
def own_wrapper() -> nn.Module:
    return Wrapper(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))


@case
def compiled() -> nn.Module:
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    made = torch.compile(net, backend="eager")
    assert isinstance(made, nn.Module)
    return made


@case
def compiled_part() -> nn.Module:
    body = torch.compile(nn.Sequential(nn.Linear(6, 8), nn.ReLU()).double(), backend="eager")
    assert isinstance(body, nn.Module)
    return nn.Sequential(body, nn.Linear(8, 3))


class Critic(nn.Module):
    """Q(s, a) for actions of two numbers."""

    def __init__(self, *, squeeze: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
        self.squeeze = squeeze

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        values = self.net(torch.cat([observations, actions], -1))
        return values.squeeze(-1) if self.squeeze else values


@case
def critic() -> Case:
    x = torch.randn(NUM, 8, dtype=torch.float64)
    return Case(Critic(squeeze=False), x[:, :6], x[:, 6:])


@case
def critic_of_one_axis() -> Case:
    x = torch.randn(NUM, 8, dtype=torch.float64)
    return Case(Critic(squeeze=True), x[:, :6], x[:, 6:])
