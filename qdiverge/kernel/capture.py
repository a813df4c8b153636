"""One batched forward pass that keeps each layer's input, and one backward pass to its output.

The gradients stop at the layers' outputs: no parameter's gradient is ever formed. Inside a captured
call the layer sees an alias of its parameters; whatever reaches the other alias is a use that no
rule describes, and the graph tells.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel.graph_leaves import graph_leaves
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.rules import LayerRule, rule_of


@dataclass(frozen=True)
class Layer:
    """A module with a rule, and the names of its trainable parameters in the network."""

    name: str
    module: nn.Module
    rule: LayerRule
    params: dict[str, str]  # the module's own name → the network's


@dataclass(frozen=True)
class Call:
    """One use of a layer in a forward pass."""

    layer: Layer
    kept: Tensor
    version: int
    source: Tensor
    edge: GradientEdge
    num_kept_event: int
    num_event: int
    output_shape: torch.Size

    def check_source(self) -> None:
        """Raise if the network has overwritten the layer's input after the call."""
        if self.source._version != self.version:
            raise UnsupportedNetworkError(
                "q_net must not change a layer's input in place after its use",
                got=f"a changed input of {self.layer.name}",
                remedy="Such a network cannot be trained either: use the out-of-place operation.",
            )


@dataclass
class Recorder:
    """Registers the hooks, collects the calls, and removes the hooks whatever happens."""

    network: Network
    layers: list[Layer]
    calls: list[Call] = field(default_factory=list)

    def forward(self, pairs: Pairs) -> tuple[Tensor, list[Call], dict[str, Tensor]]:
        """Return the values [n, A'], the calls, and the aliases outside them."""
        outside = {k: v.detach().requires_grad_() for k, v in self.network.params.items()}
        inside = {k: v.detach().requires_grad_() for k, v in self.network.params.items()}
        self.calls, handles = [], []
        try:
            for layer in self.layers:
                enter, leave = self._hooks(layer, inside, outside)
                module = layer.module
                handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
                handles.append(module.register_forward_hook(leave, prepend=True))
            values = self.network.values(outside, pairs)
        finally:
            for handle in handles:
                handle.remove()
        return values, self.calls, outside

    def _hooks(
        self, layer: Layer, inside: dict[str, Tensor], outside: dict[str, Tensor]
    ) -> tuple[Any, Any]:
        own: list[Any] = []

        def enter(module: nn.Module, inputs: tuple, kwargs: dict) -> None:
            source = inputs[0] if inputs else kwargs.get("input", kwargs.get("x"))
            own.append(source)
            for local, name in layer.params.items():
                module._parameters[local] = inside[name]  # type: ignore[assignment]

        def leave(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            for local, name in layer.params.items():
                module._parameters[local] = outside[name]  # type: ignore[assignment]
            source = own.pop()
            if not output.requires_grad:  # called under no_grad: no gradient passes here
                return
            rule = layer.rule
            with torch.no_grad():
                kept = rule.keep(module, source.detach())
            self.calls.append(
                Call(
                    layer=layer,
                    kept=kept,
                    version=source._version,
                    source=source,
                    edge=get_gradient_edge(output),
                    num_kept_event=rule.num_kept_event(module, output),
                    num_event=rule.num_event(module, output),
                    output_shape=output.shape,
                )
            )

        return enter, leave


def layers_of(network: Network) -> list[Layer]:
    """Return the modules with a rule that own a trainable parameter."""
    by_identity = {
        id(p): name for name, p in network.module.named_parameters() if name in network.params
    }
    layers = []
    for name, module in network.module.named_modules():
        rule = rule_of(module)
        params = {
            local: by_identity[id(p)]
            for local, p in module._parameters.items()
            if rule is not None and local in rule.params and id(p) in by_identity
        }
        if rule is not None and params:
            layers.append(Layer(name, module, rule, params))
    return layers


def output_gradients(values: Tensor, calls: list[Call]) -> list[Tensor]:
    """Return G of each call for each of the A' outputs, [A', *output_shape]."""
    if not values.requires_grad:
        return [values.new_zeros(values.shape[1], *call.output_shape) for call in calls]
    num_actions = values.shape[1]
    edges = [call.edge for call in calls]
    columns = []
    for action in range(num_actions):
        total = values[:, action].sum()
        last = action + 1 == num_actions
        gradients = torch.autograd.grad(total, edges, retain_graph=not last, allow_unused=True)
        columns.append(
            [
                values.new_zeros(call.output_shape) if g is None else g
                for g, call in zip(gradients, calls, strict=True)
            ]
        )
    if num_actions == 1:
        return [g.unsqueeze(0) for g in columns[0]]
    return [torch.stack(column) for column in zip(*columns, strict=True)]


def reached(values: Tensor, aliases: dict[str, Tensor]) -> set[str]:
    """Return the names whose alias the graph of ``values`` reaches."""
    names = {id(alias): name for name, alias in aliases.items()}
    return {names[id(leaf)] for leaf in graph_leaves(values) if id(leaf) in names}
