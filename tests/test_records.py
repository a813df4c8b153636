"""Results are records that nobody changes; those of tensors are compared by identity."""

import dataclasses
import importlib
import inspect
import pkgutil

import pytest

ROOMS = ["theory", "kernel", "mdp", "runs", "agents", "diagnostics"]
COMPARABLE = ("qdiverge.theory.", "qdiverge.agents.discrete.categorical")
COLLECTING = {"Recorder", "TrialRuns"}  # filled while a network runs; nobody is given them


def records():
    for room in ROOMS:
        package = importlib.import_module(f"qdiverge.{room}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for kind in vars(importlib.import_module(module.name)).values():
                is_own = isinstance(kind, type) and kind.__module__ == module.name
                if is_own and dataclasses.is_dataclass(kind) and not inspect.isabstract(kind):
                    yield kind


@pytest.mark.parametrize("kind", [kind for kind in records() if kind.__name__ not in COLLECTING])
def test_a_record_cannot_be_changed(kind):
    record = object.__new__(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, dataclasses.fields(kind)[0].name, None)


@pytest.mark.parametrize(
    "kind", [kind for kind in records() if kind.__module__.startswith(COMPARABLE)]
)
def test_reports_can_be_compared_and_kept_in_a_set(kind):
    """Tensors have no truth value: equality by fields would raise where two reports differ."""
    if any("Tensor" in str(field.type) for field in dataclasses.fields(kind)):
        one, other = object.__new__(kind), object.__new__(kind)
        assert one != other
        assert len({one, other}) == 2
