"""What people pass by mistake, and what nobody would: made from what a call would rightly take."""

import copy
import decimal
import enum
import fractions
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

Made = Callable[[Any], Any]  # from the right value


class Raising:
    """Raises wherever it is touched."""

    def _fail(self, *args: object, **kwargs: object) -> Any:
        raise RuntimeError("touched")

    __len__ = __iter__ = __array__ = __float__ = __int__ = __index__ = __bool__ = _fail
    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __str__ = __repr__ = __format__ = _fail
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("touched")


class Colour(enum.Enum):
    RED = 1


class Tagged(Tensor):
    """A subclass of a tensor."""


class Fails(nn.Module):
    """Has parameters, and a forward that raises."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("a key of its own")


class Gives(nn.Module):
    """Returns what a function makes of the Q-values."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.inner, self.change = nn.Linear(3, 2), change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.inner(x))


def numbers(n: int) -> Any:
    yield from range(n)


PLAIN: dict[str, Made] = {
    "None": lambda v: None,
    "True": lambda v: True,
    "False": lambda v: False,
    "NaN": lambda v: math.nan,
    "infinity": lambda v: math.inf,
    "minus infinity": lambda v: -math.inf,
    "0": lambda v: 0,
    "-1": lambda v: -1,
    "0.0": lambda v: 0.0,
    "1.5": lambda v: 1.5,
    "1e308": lambda v: 1e308,
    "1e-320": lambda v: 1e-320,
    "a huge integer": lambda v: 10**400,
    "a complex number": lambda v: 1j,
    "a decimal": lambda v: decimal.Decimal("0.5"),
    "a fraction": lambda v: fractions.Fraction(1, 2),
    "numpy's float": lambda v: np.float64(0.5),
    "numpy's half": lambda v: np.float16(0.5),
    "numpy's integer": lambda v: np.int64(3),
    "numpy's bool": lambda v: np.True_,
    "numpy's NaN": lambda v: np.float32("nan"),
    "a tensor of one number": lambda v: torch.tensor(0.5),
    "a tensor of one integer": lambda v: torch.tensor(2),
    "an array of one number": lambda v: np.array(0.5),
    "an empty tensor": lambda v: torch.empty(0),
    "an empty array": lambda v: np.empty((0,)),
    "an array of objects": lambda v: np.array([None, "x"], dtype=object),
    "an array of strings": lambda v: np.array(["a", "b"]),
    "an empty string": lambda v: "",
    "a string": lambda v: "hostile",
    "a number as a string": lambda v: "0.9",
    "a surrogate": lambda v: "\ud800",
    "a null character": lambda v: "a\0b",
    "bytes": lambda v: b"\xff\x00",
    "an empty list": lambda v: [],
    "an empty tuple": lambda v: (),
    "an empty dict": lambda v: {},
    "a list of None": lambda v: [None],
    "a nested list": lambda v: [[1, 2], [3]],
    "a list of it": lambda v: [v],
    "a pair of it": lambda v: (v, v),
    "a dict of it": lambda v: {"x": v},
    "a set": lambda v: {1, 2},
    "a function of it": lambda v: lambda: v,
    "a function": lambda v: lambda *args: 1.0,
    "a function that raises": lambda v: lambda *args, **kwargs: {}["missing"],
    "a generator": lambda v: numbers(3),
    "an object": lambda v: object(),
    "an object that raises": lambda v: Raising(),
    "a class": lambda v: nn.Linear,
    "an enum": lambda v: Colour.RED,
    "a dtype": lambda v: torch.float32,
    "a device": lambda v: torch.device("cpu"),
    "a module": lambda v: nn.Linear(3, 2),
    "a slice": lambda v: slice(None),
    "an ellipsis": lambda v: ...,
}  # fmt: skip

OF_TENSORS: dict[str, Made] = {
    "no rows": lambda t: t[:0],
    "a row": lambda t: t[0],
    "a row less": lambda t: t[:-1],
    "twice the rows": lambda t: torch.cat([t, t]),
    "a leading axis": lambda t: t.unsqueeze(0),
    "a trailing axis": lambda t: t.unsqueeze(-1),
    "no axis": lambda t: t.reshape(-1)[0],
    "one axis": lambda t: t.reshape(-1),
    "a column": lambda t: t.reshape(len(t), -1)[:, :1],
    "no columns": lambda t: t.reshape(len(t), -1)[:, :0],
    "strides": lambda t: t.repeat_interleave(2, 0)[::2],
    "turned": lambda t: t.transpose(0, -1),
    "expanded": lambda t: t[:1].expand(t.shape),
    "NaN inside": lambda t: t.double().index_fill(0, torch.tensor([0]), math.nan),
    "infinity inside": lambda t: t.double().index_fill(0, torch.tensor([0]), math.inf),
    "negative": lambda t: -t.double().abs() - 1,
    "huge": lambda t: t.double() * 1e300 + 1e300,
    "half": lambda t: t.half(),
    "bfloat16": lambda t: t.bfloat16(),
    "double": lambda t: t.double(),
    "int64": lambda t: t.long(),
    "int8": lambda t: t.to(torch.int8),
    "uint8": lambda t: t.to(torch.uint8),
    "bool": lambda t: t.bool(),
    "complex": lambda t: t.to(torch.complex64),
    "float8": lambda t: t.float().to(torch.float8_e4m3fn),
    "sparse": lambda t: t.to_sparse(),
    "on no device": lambda t: t.to("meta"),
    "with a gradient": lambda t: t.detach().float().requires_grad_(),
    "of a graph": lambda t: t.detach().float().requires_grad_() * 2,
    "of inference": lambda t: _of_inference(t),
    "a subclass": lambda t: t.as_subclass(Tagged),
    "a parameter": lambda t: nn.Parameter(t.detach().float()),
    "conjugate": lambda t: t.to(torch.complex64).conj(),
    "nested": lambda t: torch.nested.nested_tensor([t.float(), t.float()]),
    "quantised": lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8),
    "numpy": lambda t: t.detach().numpy(),
    "numpy, read-only": lambda t: _read_only(t.detach().numpy()),
    "numpy, turned round": lambda t: t.detach().numpy()[::-1],
    "numpy, big-endian": lambda t: t.detach().numpy().astype(">f8"),
    "numpy, of objects": lambda t: t.detach().numpy().astype(object),
    "numpy, of strings": lambda t: t.detach().numpy().astype(str),
    "numpy, long double": lambda t: t.detach().numpy().astype(np.longdouble),
    "numpy, uint16": lambda t: t.detach().numpy().astype(np.uint16),
    "numpy, of dates": lambda t: t.detach().long().numpy().astype("datetime64[s]"),
    "numpy, masked": lambda t: np.ma.masked_array(t.detach().numpy(), mask=True),
    "numpy, a matrix": lambda t: np.asmatrix(t.detach().reshape(len(t), -1).numpy()),
    "lists": lambda t: t.detach().tolist(),
    "lists of tensors": lambda t: list(t.detach()),
    "a tuple of rows": lambda t: tuple(t.detach()),
    "its type": lambda t: t.dtype,
    "10⁶ in place of each": lambda t: torch.full_like(t, 100).long() * 10_000,
}  # fmt: skip

OF_NETWORKS: dict[str, Made] = {
    "its class": type,
    "its parameters": lambda m: m.parameters(),
    "its state": lambda m: m.state_dict(),
    "its forward": lambda m: m.forward,
    "a lambda of it": lambda m: lambda x: m(x),
    "a list of it and it": lambda m: [m, m],
    "a list of it and None": lambda m: [m, None],
    "a module list": lambda m: nn.ModuleList([m]),
    "a module dict": lambda m: nn.ModuleDict({"q": m}),
    "a bare module": lambda m: nn.Module(),
    "no layers": lambda m: nn.Sequential(),
    "the identity": lambda m: nn.Identity(),
    "another network": lambda m: nn.Linear(3, 2),
    "another input": lambda m: nn.Linear(4, 2),
    "one output": lambda m: nn.Linear(3, 1),
    "no outputs": lambda m: nn.Linear(3, 0),
    "no inputs": lambda m: nn.Linear(0, 2),
    "a copy": copy.deepcopy,
    "frozen": lambda m: copy.deepcopy(m).requires_grad_(False),
    "partly frozen": lambda m: _partly_frozen(copy.deepcopy(m)),
    "half of it": lambda m: copy.deepcopy(m).half(),
    "bfloat16": lambda m: copy.deepcopy(m).bfloat16(),
    "double": lambda m: copy.deepcopy(m).double(),
    "complex": lambda m: copy.deepcopy(m).to(torch.complex64),
    "on no device": lambda m: copy.deepcopy(m).to("meta"),
    "NaN inside": lambda m: _filled(copy.deepcopy(m), math.nan),
    "huge": lambda m: _filled(copy.deepcopy(m), 1e38),
    "zero": lambda m: _filled(copy.deepcopy(m), 0.0),
    "lazy": lambda m: nn.LazyLinear(2),
    "batch norm": lambda m: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)),
    "dropout": lambda m: nn.Sequential(nn.Linear(3, 2), nn.Dropout()),
    "softmax": lambda m: nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)),
    "recurrent": lambda m: nn.LSTM(3, 2),
    "embedding": lambda m: nn.Embedding(10, 2),
    "convolution": lambda m: nn.Conv2d(3, 2, 3),
    "bilinear": lambda m: nn.Bilinear(3, 3, 2),
    "fails": lambda m: Fails(),
    "gives None": lambda m: Gives(lambda q: None),
    "gives a tuple": lambda m: Gives(lambda q: (q, None)),
    "gives a dict": lambda m: Gives(lambda q: {"q": q}),
    "gives numpy": lambda m: Gives(lambda q: q.detach().numpy()),
    "gives integers": lambda m: Gives(lambda q: q.long()),
    "gives complex": lambda m: Gives(lambda q: q.to(torch.complex64)),
    "gives one number": lambda m: Gives(lambda q: q.mean()),
    "gives a row less": lambda m: Gives(lambda q: q[:-1]),
    "gives three axes": lambda m: Gives(lambda q: q[..., None]),
    "gives one axis": lambda m: Gives(lambda q: q[:, 0]),
    "gives no actions": lambda m: Gives(lambda q: q[:, :0]),
    "gives NaN": lambda m: Gives(lambda q: q * math.nan),
    "gives no graph": lambda m: Gives(lambda q: q.detach()),
    "gives sparse": lambda m: Gives(lambda q: q.to_sparse()),
    "gives double": lambda m: Gives(lambda q: q.double()),
    "gives half": lambda m: Gives(lambda q: q.half()),
    "gives meta": lambda m: Gives(lambda q: q.to("meta")),
    "mixes rows": lambda m: Gives(lambda q: q - q.mean(0)),
    "draws": lambda m: Gives(lambda q: q + torch.randn(())),
    "a loss": lambda m: nn.MSELoss(),
    "an optimiser": lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
}  # fmt: skip

OF_OPTIMIZERS: dict[str, Made] = {
    "its class": type,
    "its state": lambda o: o.state_dict(),
    "of another network": lambda o: torch.optim.SGD(nn.Linear(3, 2).parameters(), lr=0.1),
    "Adam of another": lambda o: torch.optim.Adam(nn.Linear(3, 2).parameters()),
    "another Adam": lambda o: torch.optim.Adam(_trained(o), lr=1e-3),
    "RMSprop": lambda o: torch.optim.RMSprop(_trained(o), lr=1e-3),
    "LBFGS": lambda o: torch.optim.LBFGS(_trained(o)),
    "SparseAdam": lambda o: torch.optim.SparseAdam(_trained(o)),
    "Rprop": lambda o: torch.optim.Rprop(_trained(o)),
    "a rate of 0": lambda o: torch.optim.SGD(_trained(o), lr=0.0),
    "a rate of NaN": lambda o: _with_rate(o, math.nan),
    "a rate of -1": lambda o: _with_rate(o, -1.0),
    "a rate of text": lambda o: _with_rate(o, "fast"),
    "a rate of None": lambda o: _with_rate(o, None),
    "a rate in a tensor": lambda o: torch.optim.Adam(_trained(o), lr=torch.tensor(0.1)),
    "a huge rate": lambda o: torch.optim.SGD(_trained(o), lr=1e30),
    "some of the parameters": lambda o: torch.optim.SGD(_trained(o)[:1], lr=0.1),
    "two groups": lambda o: torch.optim.SGD(
        [{"params": _trained(o)[:1]}, {"params": _trained(o)[1:], "lr": 0.5}], lr=0.1
    ),
    "no groups": lambda o: _without_groups(o),
    "a group without a rate": lambda o: _without_rate(o),
    "a scheduler": lambda o: torch.optim.lr_scheduler.ConstantLR(
        torch.optim.SGD(_trained(o), lr=0.1)
    ),
    "two of them": lambda o: [o, o],
}  # fmt: skip


def _of_inference(t: Tensor) -> Tensor:
    with torch.inference_mode():
        return t.clone()


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.setflags(write=False)
    return array


def _partly_frozen(m: nn.Module) -> nn.Module:
    next(m.parameters()).requires_grad_(False)
    return m


def _filled(m: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        for parameter in m.parameters():
            parameter.fill_(value)
    return m


def _trained(o: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in o.param_groups for p in group["params"]]


def _with_rate(o: torch.optim.Optimizer, rate: Any) -> torch.optim.Optimizer:
    made = torch.optim.SGD(_trained(o), lr=0.1)
    made.param_groups[0]["lr"] = rate
    return made


def _without_groups(o: torch.optim.Optimizer) -> torch.optim.Optimizer:
    made = torch.optim.SGD(_trained(o), lr=0.1)
    made.param_groups.clear()
    return made


def _without_rate(o: torch.optim.Optimizer) -> torch.optim.Optimizer:
    made = torch.optim.SGD(_trained(o), lr=0.1)
    del made.param_groups[0]["lr"]
    return made


def recipes(value: Any) -> dict[str, Made]:
    """What may stand in the place of a right value, by name."""
    if isinstance(value, Tensor):
        return PLAIN | OF_TENSORS
    if isinstance(value, np.ndarray):
        return PLAIN | {name: _of_array(make) for name, make in OF_TENSORS.items()}
    if isinstance(value, nn.Module):
        return PLAIN | OF_NETWORKS
    if isinstance(value, torch.optim.Optimizer):
        return PLAIN | OF_OPTIMIZERS
    return PLAIN


def _of_array(make: Made) -> Made:
    return lambda array: _back(make(torch.from_numpy(array.copy())))


def _back(value: Any) -> Any:
    """What numpy can hold goes back to it; the rest stays a tensor."""
    is_plain = type(value) is Tensor and value.layout is torch.strided and value.is_cpu
    try:
        return value.detach().numpy() if is_plain else value
    except (RuntimeError, TypeError):
        return value


def drawn(value: Any) -> st.SearchStrategy[tuple[str, Made]]:
    """A hostile value for the place of ``value``: what it is called, and what makes it."""
    named = st.sampled_from(sorted(recipes(value).items()))
    anything = st.one_of(
        st.integers(-3, 40), st.floats(), st.text(max_size=3), st.binary(max_size=3),
        st.lists(st.floats(), max_size=3),
    )  # fmt: skip
    of_hypothesis = anything.map(lambda x: (repr(x), lambda v: x))
    return st.integers(0, 4).flatmap(lambda k: of_hypothesis if k == 0 else named)
