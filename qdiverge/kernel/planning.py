"""Choosing each parameter's form: the one with the fewest multiply-adds, counted in trial runs."""

from dataclasses import replace

import torch
from torch import Tensor

from qdiverge.kernel.capture import Call
from qdiverge.kernel.layout import Layout, find_layout
from qdiverge.kernel.network import Network
from qdiverge.kernel.plan import Entry, Plan, Size, block_of
from qdiverge.kernel.rules.embedding import EmbeddingRule
from qdiverge.kernel.rules.linear import LinearRule


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
    num_bytes = value.numel() * value.element_size() * size.actions
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
    operations = sum(
        rule.operations(module, local, calls[i].kept, calls[i].output_shape) for i, _ in uses
    )
    actions = size.actions
    explicit = size.num_rows * operations // 3 + size.pairs(value.numel())
    choices = {"explicit": (explicit, value.numel() * actions)}
    is_embedding = isinstance(rule, EmbeddingRule)
    if local == "weight" and (is_embedding or isinstance(rule, LinearRule)):
        outputs, inputs = (value.shape[1], 1) if is_embedding else value.shape
        positions = sum(calls[i].output_shape.numel() for i, _ in uses) // (3 * outputs)
        num_held = positions * (outputs * actions + inputs)
        if positions == 1 and not is_embedding:
            cost = size.pairs(outputs, inputs) if not scaled else size.pairs(0, inputs * outputs)
            choices["product"] = (cost, num_held)
        elif not scaled:
            choices["positions"] = (positions**2 * size.pairs(outputs, inputs), num_held)
    form = min(choices, key=lambda f: choices[f][0])
    others = ", ".join(f"{f} {choices[f][0]:.3g}" for f in choices if f != form)
    reason = f"fewest; {others}" if others else "its only form"
    cost, num_held = choices[form]
    return Entry(
        name, block_of(name), rule.name, form, cost, num_held * value.element_size(), reason, uses
    )


def _fused_weight(entry: Entry, entries: dict[str, Entry], scaled: bool) -> Entry | None:
    """Return the weight whose product form takes this bias along."""
    if scaled or any(local != "bias" for _, local in entry.uses):
        return None
    calls = [index for index, _ in entry.uses]
    for weight in entries.values():
        same = [index for index, _ in weight.uses] == calls
        if same and weight.form in ("product", "positions") and weight.rule == "linear":
            return weight
    return None
