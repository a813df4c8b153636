"""Whatever a package calls public is fuzzed, or there is a reason why not."""

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import qdiverge
from tests.fuzz.doors import DOORS

# Reason → names of ``__all__`` that can be called and are no doors.
EXCEPT = {
    "a record that qdiverge returns, and nobody else has to make": """
        AlarmEvent Attribution Audit ContractionReport Diagnosis Finding Forecast Inspection
        LeastSquares LogMark MinibatchReport Option Options PreQNStep Preflight Rehearsal Run Series
        Snapshot SpectralBounds StabilityReport UpdateExponent""",
    "made by an entry point that is a door, of parts that it has checked": """
        ContinuousAgent Keeping Moment Monitor SnapshotRecorder""",
    "an interface, a base class, or a name of a type": """
        ContinuousConfig Cost Diagnostic LayerRule Loss Sink SinkName""",
    "without arguments": "boyan_chain provenance",
    "asked by the kernel of the layers of a network that it has checked": "rule_of",
}


def public() -> dict[str, Any]:
    """What the packages' ``__all__`` name and can be called, errors aside."""
    rooms = pkgutil.walk_packages(qdiverge.__path__, "qdiverge.")
    packages = [qdiverge, *(import_module(room.name) for room in rooms if room.ispkg)]
    each = {name: getattr(p, name) for p in packages for name in getattr(p, "__all__", ())}
    return {
        name: thing for name, thing in each.items()
        if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, BaseException))
    }  # fmt: skip


def test_every_public_name_is_fuzzed_or_there_is_a_reason():
    names = set(public())
    excepted = [name for listed in EXCEPT.values() for name in listed.split()]
    fuzzed = {door.split()[0].split("'")[0].split(".")[0] for door in DOORS}
    assert len(names) > 120
    assert sorted(names - fuzzed - set(excepted)) == []
    assert sorted(set(excepted) - names) == []  # no longer public
    assert sorted(set(excepted) & fuzzed) == []  # a door by now
    assert len(excepted) == len(set(excepted))
