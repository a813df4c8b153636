"""The plan says what is done: the form with the fewest operations, and why a fallback."""

import re

import pytest
import torch
from torch import nn

from qdiverge.kernel import NTK
from qdiverge.kernel.graph_leaves import graph_leaves
from qdiverge.kernel.layout import find_layout
from qdiverge.kernel.plan import Plan
from tests.cases import CASES


def plan_of(name: str) -> Plan:
    case = CASES[name]()
    return NTK(case.q_net).plan(case.observations, case.actions)


def rules(name: str) -> dict[str, tuple[str, str]]:
    return {e.name: (e.rule, e.form) for e in plan_of(name).entries}


def test_a_wide_layer_is_a_product_and_carries_its_bias() -> None:
    net = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 4))
    x, a = torch.randn(64, 8), torch.zeros(64, dtype=torch.long)
    plan = NTK(net).plan(x, a)
    assert [(e.rule, e.form) for e in plan.entries] == [
        ("linear", "product"),
        ("linear", "with the weight"),
    ] * 2
    assert plan.entries[0].operations == 64 * 65 // 2 * (8 + 256)  # A Aᵀ and G Gᵀ
    assert plan.entries[0].num_bytes == 4 * (8 + 256)
    assert plan.num_bytes == 4 * (8 + 256 + 256 + 4)
    assert not {"layouts", "uses"} & set(re.findall(r"\w+", repr(plan)))
    text = str(plan)
    assert "0.weight" in text
    assert "explicit 4.39e+06" in text


def test_a_narrow_layer_over_few_samples_is_cheaper_as_it_is() -> None:
    plan = NTK(nn.Linear(1, 1)).plan(torch.randn(64, 1), torch.zeros(64, dtype=torch.long))
    assert plan.entries[0].form == "explicit"


def test_a_preconditioner_keeps_no_plain_product() -> None:
    net, x = nn.Linear(8, 64), torch.randn(16, 8)
    ones = {n: torch.ones_like(p) for n, p in net.named_parameters()}
    a = torch.zeros(16, dtype=torch.long)
    forms = [e.form for e in NTK(net, preconditioner=ones).plan(x, a).entries]
    assert forms == ["product", "explicit"]  # the bias by itself
    assert NTK(net, preconditioner=ones).kernel(x, a).allclose(NTK(net).kernel(x, a), rtol=1e-5)


FALLBACKS = {
    "weight_used_outside_its_module": {"a.weight"},
    "tied_and_transposed": {"encode.weight"},
    "bare_scale_on_an_mlp": {"scale"},
    "samples_in_reverse_order_inside": {"a.weight", "a.bias"},
    "layer_without_samples": {"code.weight", "code.bias"},
    "embedding_with_positions": {"places.weight"},
    "transposed_conv": {"0.0.weight", "0.0.bias"},
    "weight_norm": {f"0.parametrizations.weight.original{i}" for i in (0, 1)} | {"0.bias"},
    "mlp_relu": set(),
    "module_used_many_times": set(),
    "tied_linears": set(),
    "time_first": set(),
    "time_major_positions_folded": set(),
    "conv2d_frames_folded_into_the_batch": set(),
    "conv2d_depthwise_dilated": set(),
    "embedding_with_large_vocabulary": set(),
    "gru_cell_built_of_linears": set(),
    "conv2d_with_batch_norm_in_evaluation": set(),
    "conv2d_with_instance_norm": set(),
    "layer_norm_over_places": set(),
    "rms_norm": set(),
}


@pytest.mark.parametrize("name", FALLBACKS)
def test_only_what_has_no_rule_falls_back(name: str) -> None:
    found = rules(name)
    assert {n for n, (rule, _) in found.items() if rule == "per sample"} == FALLBACKS[name]


def test_attention_falls_back_alone() -> None:
    fallbacks = {n for n, (rule, _) in rules("transformer_layer").items() if rule == "per sample"}
    assert fallbacks
    assert all("self_attn" in name for name in fallbacks)


def test_forms_of_shared_layers() -> None:
    assert rules("module_used_many_times")["a.weight"][1] == "explicit"  # 49 pairs of positions
    assert rules("embedding_with_large_vocabulary")["0.weight"][1] == "positions"
    assert rules("sequence_with_wide_layer")["0.weight"] == ("linear", "positions")
    assert rules("unused_parameter")["b.weight"] == ("unused", "none")


def test_names_are_those_of_the_wrapped_module() -> None:
    for name in ("data_parallel", "compiled", "compiled_part"):
        case = CASES[name]()
        names = [n for n, _ in case.q_net.named_parameters()]
        assert [e.name for e in plan_of(name).entries] == names
        layers = NTK(case.q_net).by_layer(case.observations, case.actions)
        assert set(layers) == {n.rpartition(".")[0] for n in names}


def test_the_gradients_of_all_actions_take_the_bytes_of_each() -> None:
    net, x = nn.Linear(3, 5), torch.randn(6, 3)
    ntk = NTK(net, method="per_sample")
    chosen, every = ntk.plan(x, torch.zeros(6, dtype=torch.long)), ntk.plan(x, "all")
    assert [entry.num_bytes for entry in chosen.entries] == [4 * 15, 4 * 5]
    assert every.num_bytes == 5 * chosen.num_bytes == 5 * 4 * 20


def test_a_graph_is_walked_once_however_often_its_parts_are_used() -> None:
    weight = torch.ones(2, requires_grad=True)
    doubled = weight
    for _ in range(10):
        doubled = doubled + doubled  # 2^10 ways to the one leaf
    assert len(list(graph_leaves(doubled))) == 1


def test_tensors_of_other_axes_have_no_layout() -> None:
    assert find_layout(torch.ones(2, 5), torch.ones(3, 5), 1) is not None
    assert find_layout(torch.ones(2, 5), torch.ones(3, 1, 5), 1) is None
