"""The structured method: each layer's rule where there is one, per-sample gradients elsewhere."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel.capture import Call, Recorder, layers_of, output_gradients, reached
from qdiverge.kernel.feature_memory import empty
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.per_sample import jacobian_of_some
from qdiverge.kernel.plan import Entry, Plan, Size
from qdiverge.kernel.planning import find_layouts, make_plan
from qdiverge.kernel.products import Positions, Product, ScaledProduct
from qdiverge.kernel.rules.embedding import masked
from qdiverge.kernel.sample_mixing import RowValues, mixes_samples
from qdiverge.kernel.stream import blocks
from qdiverge.kernel.terms import Explicit, Term

Scales = dict[str, Tensor]  # M by parameter; empty without a preconditioner


@dataclass
class TrialRuns:
    """Runs the network on two and three samples, keeping the calls that the plan is made from."""

    recorder: Recorder
    calls: list[list[Call]]
    outside: set[str]

    @staticmethod
    def of(network: Network) -> "TrialRuns":
        """Return trial runs, none of which is made yet."""
        return TrialRuns(Recorder(network, layers_of(network)), [], set())

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
class Use:
    """One call of a layer, ready for its rule.

    Attributes:
        call: The call.
        kept: [n, T, *event] of what was kept of its input.
        grads: G [n, A', T, *event] of its output.
    """

    call: Call
    kept: Tensor
    grads: Tensor

    def gradient(self, param: str) -> Tensor:
        """Return what this use adds to the per-sample gradients of the layer's parameter."""
        layer = self.call.layer
        return layer.rule.gradient(layer.module, param, self.kept, self.grads)

    def write(self, param: str, out: Tensor) -> None:
        """Put that into ``out`` [n, A', p]."""
        layer = self.call.layer
        layer.rule.write(layer.module, param, self.kept, self.grads, out)

    def trained_grads(self) -> Tensor:
        """Return G without what an embedding's padding row would get."""
        module = self.call.layer.module
        if isinstance(module, nn.Embedding):
            return masked(module, self.kept, self.grads)
        return self.grads


@dataclass(frozen=True)
class Structured:
    """Makes the terms of a chunk of pairs by a plan, some samples to a forward pass."""

    network: Network
    plan: Plan
    scales: Scales
    pass_size: int
    known: RowValues | None = None  # from trial runs

    def __call__(self, pairs: Pairs) -> list[Term]:
        """Return every block's term at ``pairs``."""
        features: dict[str, Tensor] = {}  # of the whole chunk; each pass fills its rows
        parts = []
        for rows in blocks(len(pairs), self.pass_size):
            terms = self._of_layers(pairs[rows], rows, len(pairs), features)
            parts.append(terms | self._fallback(pairs[rows]))
        return [
            Explicit(term.block, features[name])
            if name in features
            else term.joined([part[name] for part in parts[1:]])
            for name, term in parts[0].items()
        ]

    def _of_layers(
        self, pairs: Pairs, rows: slice, num: int, features: dict[str, Tensor]
    ) -> dict[str, Term]:
        entries = [e for e in self.plan.entries if e.uses and e.form != "with the weight"]
        uses = run(self.network, self.plan, pairs, self.known) if entries else {}
        terms: dict[str, Term] = {}
        for entry in entries:
            its = [uses[index] for index, _ in entry.uses]
            if entry.form == "explicit":
                shape = num, its[0].grads.shape[1], self.network.params[entry.name].numel()
                if entry.name not in features:
                    features[entry.name] = empty(shape, its[0].grads)
                terms[entry.name] = self._explicit(entry, its, features[entry.name][rows])
            else:
                terms[entry.name] = self._factored(entry, its)
        return terms

    def _explicit(self, entry: Entry, uses: list[Use], out: Tensor) -> Explicit:
        local, scale = entry.uses[0][1], self.scales.get(entry.name)
        uses[0].write(local, out)
        for use in uses[1:]:
            out += use.gradient(local)
        if scale is not None:
            out *= uses[0].call.layer.rule.arrange(local, scale).sqrt()
        return Explicit(entry.block, out)

    def _factored(self, entry: Entry, uses: list[Use]) -> Term:
        scale, first, has_bias = self.scales.get(entry.name), uses[0], self.plan.has_bias(entry)
        if entry.form == "product" and scale is not None:
            return ScaledProduct(entry.block, first.kept[:, 0], first.grads[:, :, 0], scale)
        if entry.form == "product":
            return Product(entry.block, first.kept[:, 0], first.grads[:, :, 0], has_bias)
        inputs = torch.cat([use.kept for use in uses], 1)
        grads = torch.cat([use.trained_grads() for use in uses], 2)
        return Positions(entry.block, inputs, grads, has_bias)

    def _fallback(self, pairs: Pairs) -> dict[str, Term]:
        entries = [e for e in self.plan.entries if e.rule == "per sample"]
        if not entries:
            return {}
        rows = jacobian_of_some(self.network, pairs, [e.name for e in entries])
        return {
            e.name: Explicit(e.block, scaled(rows[e.name], self.scales.get(e.name)))
            for e in entries
        }


def run(
    network: Network, plan: Plan, pairs: Pairs, known: RowValues | None = None
) -> dict[int, Use]:
    """Return the plan's uses at ``pairs``, by their place among the network's calls.

    Raises:
        UnsupportedNetworkError: other layers are called than in the trial runs, other values come
            out than are known, or an input has changed.
    """
    used = {plan.signature[index] for entry in plan.entries for index, _ in entry.uses}
    layers = [layer for layer in layers_of(network) if layer.name in used]
    values, calls, _ = Recorder(network, layers).forward(pairs)
    places = [i for i, name in enumerate(plan.signature) if name in used]
    if [call.layer.name for call in calls] != [plan.signature[i] for i in places]:
        raise UnsupportedNetworkError(
            "q_net must call the same layers for every batch",
            got="other layers than for its first samples",
            remedy='Use method="per_sample" or "reference".',
        )
    if known is not None and not known.agrees(pairs, values.detach()):
        raise mixes_samples(f"other values in a batch of {len(pairs)} than in one of a few rows")
    uses = {}
    for index, call, g in zip(places, calls, output_gradients(values, calls), strict=True):
        call.check_source()
        layout = plan.layouts[index]
        if layout is not None:
            kept = layout.to_samples(call.kept, call.num_kept_event)
            actions = [layout.to_samples(a, call.num_event) for a in g]
            grads = torch.stack(actions, 1) if len(actions) > 1 else actions[0].unsqueeze(1)
            uses[index] = Use(call, kept, grads)
    return uses


def scaled(features: Tensor, scale: Tensor | None) -> Tensor:
    """Return J √M [n, A', p], so that the Gram of the features is J M Jᵀ."""
    features = features.reshape(*features.shape[:2], -1)
    return features if scale is None else features * scale.flatten().sqrt()
