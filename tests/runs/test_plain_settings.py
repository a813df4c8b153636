"""A configuration is kept as people have it, or refused before there is a file."""

import argparse
import collections
import dataclasses
import enum
import json
import math
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.runs.plain_settings import plain_settings


class Kind(enum.Enum):
    FAST = "fast"
    SLOW = object()


@dataclasses.dataclass
class Inner:
    width: int = 3
    rate: np.float32 = dataclasses.field(default_factory=lambda: np.float32(0.5))


KEPT = {
    "numpy's numbers": (np.int64(3), 3),
    "numpy's bool": (np.True_, True),
    "an array": (np.array([1.0, math.nan]), [1.0, "nan"]),
    "a large array": (np.zeros((40, 50)), "an array [40, 50] of float64"),
    "a tensor": (torch.tensor([1, 2]), [1, 2]),
    "a tensor without numbers": (torch.empty(3, device="meta"), "an array [3] of float32"),
    "a path": (Path("runs") / "x", "runs/x"),
    "a dtype": (torch.float32, "float32"),
    "numpy's dtype": (np.dtype("int8"), "int8"),
    "a device": (torch.device("cpu"), "cpu"),
    "an enum of text": (Kind.FAST, "fast"),
    "an enum of something": (Kind.SLOW, "SLOW"),
    "a dataclass": (Inner(), {"width": 3, "rate": 0.5}),
    "a namespace": (argparse.Namespace(a=1), {"a": 1}),
    "a simple namespace": (SimpleNamespace(a=1), {"a": 1}),
    "a set": ({"b", "a"}, ["a", "b"]),
    "a tuple": ((1, (2,)), [1, [2]]),
    "a class": (nn.ReLU, "torch.nn.modules.activation.ReLU"),
    "a function": (json.loads, "json.loads"),
    "NaN": (math.nan, "nan"),
    "infinity": (-math.inf, "-inf"),
    "a huge integer": (10**400, "an integer of 1329 bits"),
    "half a surrogate pair": ("a\ud800", "a?"),
    "a proxy": (MappingProxyType({1: 2}), {"1": 2}),
    "a chain": (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
}  # fmt: skip


@pytest.mark.parametrize("what", KEPT)
def test_what_people_put_there_is_kept(what):
    given, kept = KEPT[what]
    plain = plain_settings("config", {"it": given})
    assert plain == {"it": kept}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("config", [Inner(), argparse.Namespace(width=3), {"width": np.int64(3)}])
def test_a_run_takes_it_whole(config, tmp_path):
    network = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    qd.attach(network, optimizer=optimizer, out=tmp_path / "run", config=config).close()
    assert qd.load_run(tmp_path / "run").info["config"]["width"] == 3


def in_itself():
    config = {}
    config["it"] = config
    return config


REFUSED = {
    "an object": ({"it": object()}, r"config\['it'\] must be .*; got an object"),
    "an object deep inside": ({"a": [{"b": object()}]}, r"config\['a'\]\[0\]\['b'\]"),
    "a key that is no text": ({(1, 2): 3}, "keys of config must be text; got a tuple"),
    "no dict": ([1, 2], "config must be a dict, .*; got a list"),
    "itself": (in_itself(), "at most 32 deep"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_rest_is_refused_before_there_is_a_file(what, tmp_path):
    config, message = REFUSED[what]
    network = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises((InvalidTypeError, InvalidValueError), match=message):
        qd.attach(network, optimizer=optimizer, out=tmp_path / "run", config=config)
    assert not (tmp_path / "run").exists()
    qd.attach(network, optimizer=optimizer, out=tmp_path / "run").close()  # nothing was left behind
