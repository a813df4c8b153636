"""What is done for each parameter, and why: the forms of its kernel, counted in multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from qdiverge.kernel.capture import Call
from qdiverge.kernel.layout import Layout, find_layout
from qdiverge.kernel.network import Network
from qdiverge.kernel.rules.embedding import EmbeddingRule
from qdiverge.kernel.rules.linear import LinearRule


@dataclass(frozen=True)
class Size:
    """How many samples and rows (samples times actions) each side of the kernel has.

    Attributes:
        samples: Of both sides.
        rows: Of both sides.
        is_symmetric: Whether the sides are one, and half of the pairs is skipped.
    """

    samples: tuple[int, int]
    rows: tuple[int, int]
    is_symmetric: bool

    def pairs(self, per_row_pair: int, per_sample_pair: int = 0) -> int:
        """Return the multiply-adds of a Gram product over both sides."""
        rows, samples = (
            m * (m + 1) // 2 if self.is_symmetric else m * n for m, n in (self.rows, self.samples)
        )
        return rows * per_row_pair + samples * per_sample_pair

    @property
    def num_rows(self) -> int:
        """Rows whose features are made."""
        return self.rows[0] if self.is_symmetric else sum(self.rows)


@dataclass(frozen=True)
class Entry:
    """How one parameter's part of the kernel is made.

    Attributes:
        name: The parameter, by the network's own name for it.
        block: The module whose block it is added to.
        rule: The layer's rule, or "per sample", "loop", "unused".
        form: "product", "positions", "explicit", "with the weight" or "none".
        operations: Multiply-adds for the whole kernel.
        num_bytes: Bytes held for one sample.
        reason: Why this form.
        uses: Which calls of the forward pass use it, with its name in the module.
    """

    name: str
    block: str
    rule: str
    form: str
    operations: int
    num_bytes: int
    reason: str
    uses: tuple[tuple[int, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Plan:
    """The parameters' entries, the layouts of the calls, and the chunk that follows from them."""

    entries: tuple[Entry, ...]
    layouts: tuple[Layout | None, ...] = field(default=(), repr=False)
    signature: tuple[str, ...] = field(default=(), repr=False)
    activation_bytes: int = 0

    @property
    def operations(self) -> int:
        """Multiply-adds in all, besides the passes forward and back to the layers' outputs."""
        return sum(entry.operations for entry in self.entries)

    @property
    def num_bytes(self) -> int:
        """Bytes held for one sample."""
        return sum(entry.num_bytes for entry in self.entries)

    def with_form(self, form: str) -> list[Entry]:
        """Return the entries of one form."""
        return [entry for entry in self.entries if entry.form == form]

    def renamed(self, prefix: str) -> Plan:
        """Return the plan with the names that a wrapped module has."""
        entries = (replace(e, name=prefix + e.name, block=prefix + e.block) for e in self.entries)
        return replace(self, entries=tuple(entries))

    def __str__(self) -> str:
        head = ("parameter", "rule", "form", "multiply-adds", "bytes a sample", "reason")
        rows = [
            (e.name, e.rule, e.form, f"{e.operations:.3g}", f"{e.num_bytes:,}", e.reason)
            for e in self.entries
        ]
        total = ("in all", "", "", f"{self.operations:.3g}", f"{self.num_bytes:,}", "")
        table = [head, *rows, total]
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in table
        )


def find_layouts(two: list[Call], three: list[Call]) -> tuple[Layout | None, ...]:
    """Return where each call keeps its samples; None where that is unclear."""
    if [c.layer.name for c in two] != [c.layer.name for c in three]:
        return tuple(None for _ in three)
    return tuple(
        find_layout(m.kept, n.kept, n.num_kept_event)
        if m.num_event == n.num_event and n.num_kept_event <= n.kept.dim()
        else None
        for m, n in zip(two, three, strict=True)
    )


def make_plan(
    network: Network,
    calls: list[Call],
    layouts: tuple[Layout | None, ...],
    outside: set[str],
    size: Size,
    scaled: bool,
) -> Plan:
    """Choose each parameter's form from the calls of a forward pass of three samples.

    Args:
        network: The network.
        calls: The calls of that pass.
        layouts: Their layouts.
        outside: Parameters that are used outside of captured calls.
        size: The sizes of the kernel's sides.
        scaled: Whether there is a preconditioner.
    """
    entries: dict[str, Entry] = {}
    for name, value in network.params.items():
        uses = tuple(
            (index, local)
            for index, call in enumerate(calls)
            for local, owner in call.layer.params.items()
            if owner == name
        )
        reason = _obstacle(name, uses, calls, layouts, outside)
        if reason is not None:
            entries[name] = _fallback(name, value, reason, size)
        elif not uses:
            entries[name] = Entry(name, block_of(name), "unused", "none", 0, 0, "no gradient")
        else:
            entries[name] = _structured(name, value, uses, calls, size, scaled)
    for name, entry in entries.items():
        weight = _fused_weight(entry, entries, scaled)
        if weight is not None:
            reason = f"the + 1 beside {weight.name}"
            entries[name] = replace(
                entry, form="with the weight", operations=0, num_bytes=0, reason=reason
            )
    activations = sum(2 * call.output_shape.numel() + call.kept.numel() for call in calls) // 3
    item = torch.finfo(network.dtype).bits // 8
    return Plan(
        tuple(entries.values()), layouts, tuple(c.layer.name for c in calls), activations * item
    )


def block_of(name: str) -> str:
    """Return the module that owns a parameter; a bare one of the network is its own block.

    >>> block_of("head.weight"), block_of("head.parametrizations.weight.original")
    ('head', 'head')
    """
    owner, parametrized, _ = name.partition(".parametrizations.")
    return owner if parametrized else name.rpartition(".")[0] or name


def _obstacle(
    name: str,
    uses: tuple[tuple[int, str], ...],
    calls: list[Call],
    layouts: tuple[Layout | None, ...],
    outside: set[str],
) -> str | None:
    """Return why the parameter needs the fallback, None where it does not."""
    if name in outside:
        return "used outside a layer with a rule"
    if any(layouts[index] is None for index, _ in uses):
        return "no clear axis of samples in its layer's input"
    if len({(calls[index].layer.rule.name, local) for index, local in uses}) > 1:
        return "shared between layers of different kinds"
    return None


def _fallback(name: str, value: Tensor, reason: str, size: Size) -> Entry:
    operations = size.pairs(value.numel())
    num_bytes = value.numel() * value.element_size() * size.rows[0] // size.samples[0]
    return Entry(name, block_of(name), "per sample", "explicit", operations, num_bytes, reason)


def _structured(
    name: str,
    value: Tensor,
    uses: tuple[tuple[int, str], ...],
    calls: list[Call],
    size: Size,
    scaled: bool,
) -> Entry:
    """Return the form with the fewest multiply-adds; explicit features always are one."""
    call, local = calls[uses[0][0]], uses[0][1]
    rule, module = call.layer.rule, call.layer.module
    made = sum(
        rule.operations(module, local, calls[i].kept, calls[i].output_shape) for i, _ in uses
    )
    actions = max(1, size.rows[0] // size.samples[0])
    explicit = size.num_rows * made // 3 + size.pairs(value.numel())
    choices = {"explicit": (explicit, value.numel() * actions)}
    is_embedding = isinstance(rule, EmbeddingRule)
    if local == "weight" and (is_embedding or isinstance(rule, LinearRule)):
        outputs, inputs = (value.shape[1], 1) if is_embedding else value.shape
        positions = sum(calls[i].output_shape.numel() for i, _ in uses) // (3 * outputs)
        held = positions * (outputs * actions + inputs)
        if positions == 1 and not is_embedding:
            cost = size.pairs(outputs, inputs) if not scaled else size.pairs(0, inputs * outputs)
            choices["product"] = (cost, held)
        elif not scaled:
            choices["positions"] = (positions**2 * size.pairs(outputs, inputs), held)
    form = min(choices, key=lambda f: choices[f][0])
    others = ", ".join(f"{f} {choices[f][0]:.3g}" for f in choices if f != form)
    reason = f"fewest; {others}" if others else "its only form"
    cost, held = choices[form]
    return Entry(
        name, block_of(name), rule.name, form, cost, held * value.element_size(), reason, uses
    )


def _fused_weight(entry: Entry, entries: dict[str, Entry], scaled: bool) -> Entry | None:
    """Return the weight whose product form takes this bias along."""
    if scaled or entry.rule != "linear" or any(local != "bias" for _, local in entry.uses):
        return None
    calls = [index for index, _ in entry.uses]
    for weight in entries.values():
        same = [index for index, _ in weight.uses] == calls
        if same and weight.form in ("product", "positions") and weight.rule == "linear":
            return weight
    return None
