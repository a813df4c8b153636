"""The structured method: each layer's rule where there is one, per-sample gradients elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel.capture import Call, Recorder, layers_of, output_gradients, reached
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.per_sample import jacobian_of_some
from qdiverge.kernel.plan import Entry, Plan, Size, find_layouts, make_plan
from qdiverge.kernel.products import Positions, Product, ScaledProduct
from qdiverge.kernel.rules.embedding import EmbeddingRule, masked
from qdiverge.kernel.terms import Explicit, Term

Scales = dict[str, Tensor]  # M by parameter; empty without a preconditioner


@dataclass
class Probe:
    """Runs the network on two and three samples, keeping the calls that the plan is made from."""

    recorder: Recorder
    calls: list[list[Call]]
    outside: set[str]

    @staticmethod
    def of(network: Network) -> Probe:
        """Return a probe that has not run yet."""
        return Probe(Recorder(network, layers_of(network)), [], set())

    def __call__(self, pairs: Pairs) -> Tensor:
        """Return the network's values, and remember the calls."""
        values, calls, aliases = self.recorder.forward(pairs)
        self.calls.append(calls)
        self.outside |= reached(values, aliases)
        return values.detach()

    def plan(self, size: Size, scales: Scales) -> Plan:
        """Return the plan for a kernel of this size."""
        two, three = self.calls[:2]
        network = self.recorder.network
        return make_plan(network, three, find_layouts(two, three), self.outside, size, bool(scales))


@dataclass(frozen=True)
class Structured:
    """Makes the terms of a chunk of pairs by a plan."""

    network: Network
    plan: Plan
    scales: Scales

    def __call__(self, pairs: Pairs) -> list[Term]:
        """Return every block's term at ``pairs``."""
        entries = [e for e in self.plan.entries if e.uses and e.form != "with the weight"]
        calls, gradients = self._run(pairs) if entries else ([], [])
        terms = [self._term(entry, calls, gradients) for entry in entries]
        return terms + self._fallback(pairs)

    def _run(self, pairs: Pairs) -> tuple[list[tuple[Call, Tensor]], list[Tensor]]:
        used = {self.plan.signature[i] for e in self.plan.entries for i, _ in e.uses}
        layers = [layer for layer in layers_of(self.network) if layer.name in used]
        values, calls, _ = Recorder(self.network, layers).forward(pairs)
        kept = [i for i, name in enumerate(self.plan.signature) if name in used]
        if [call.layer.name for call in calls] != [self.plan.signature[i] for i in kept]:
            raise UnsupportedNetworkError(
                "q_net must call the same layers for every batch",
                got="other layers than for its first samples",
                remedy='Use method="per_sample" or "reference".',
            )
        grads = output_gradients(values, calls)
        by_index: list = [None] * len(self.plan.signature)
        by_grads: list = [None] * len(self.plan.signature)
        for i, call, g in zip(kept, calls, grads, strict=True):
            call.check_source()
            layout = self.plan.layouts[i]
            if layout is not None:
                by_index[i] = (call, layout.to_samples(call.kept, call.num_kept_event))
                actions = [layout.to_samples(a, call.num_event) for a in g]
                by_grads[i] = (
                    torch.stack(actions, 1) if len(actions) > 1 else actions[0].unsqueeze(1)
                )
        return by_index, by_grads

    def _term(
        self, entry: Entry, calls: list[tuple[Call, Tensor]], gradients: list[Tensor]
    ) -> Term:
        uses = [(*calls[index], gradients[index], local) for index, local in entry.uses]
        scale = self.scales.get(entry.name)
        call, kept, grads, _ = uses[0]
        fused = any(
            e.form == "with the weight" and [i for i, _ in e.uses] == [i for i, _ in entry.uses]
            for e in self.plan.entries
        )
        if entry.form == "product" and scale is not None:
            return ScaledProduct(entry.block, kept[:, 0], grads[:, :, 0], scale)
        if entry.form == "product":
            return Product(entry.block, kept[:, 0], grads[:, :, 0], fused)
        if entry.form == "positions":
            inputs = torch.cat([kept for _, kept, _, _ in uses], 1)
            parts = [
                masked(c.layer.module, k, g) if isinstance(c.layer.rule, EmbeddingRule) else g  # type: ignore[arg-type]
                for c, k, g, _ in uses
            ]
            return Positions(entry.block, inputs, torch.cat(parts, 2), fused)
        features = call.layer.rule.gradient(call.layer.module, uses[0][3], kept, grads)
        for call, kept, grads, local in uses[1:]:
            features = features + call.layer.rule.gradient(call.layer.module, local, kept, grads)
        if scale is not None:
            features = features * call.layer.rule.arrange(uses[0][3], scale).sqrt()
        return Explicit(entry.block, features)

    def _fallback(self, pairs: Pairs) -> list[Term]:
        entries = [e for e in self.plan.entries if e.rule == "per sample"]
        if not entries:
            return []
        gradients = jacobian_of_some(self.network, pairs, [e.name for e in entries])
        return [
            Explicit(e.block, scaled(gradients[e.name], self.scales.get(e.name))) for e in entries
        ]


def scaled(features: Tensor, scale: Tensor | None) -> Tensor:
    """Return J √M [n, A', p], so that the Gram of the features is J M Jᵀ."""
    features = features.reshape(*features.shape[:2], -1)
    return features if scale is None else features * scale.flatten().sqrt()
