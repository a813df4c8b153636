"""Whether two run folders hold the same run, but for what the clock says."""

import json

from qdiverge.runs import load_run
from qdiverge.runs.checkpoints import CheckpointStore

CLOCKED = ("log.json", "run.json")  # in a checkpoint: bytes of the log, seconds, the process


def is_over(out):
    """Whether a run says that it finished."""
    return (out / "run.json").exists() and load_run(out).info["status"] == "finished"


def lines(out):
    """The log without what the clock says."""
    entries = []
    for line in (out / "events.jsonl").read_text().splitlines():
        entry = json.loads(line)
        del entry["time"], entry["crc32"]
        entry.pop("charts/SPS", None)
        entries.append(entry)
    return entries


def assert_same_run(ours, theirs, *, except_for=CLOCKED):
    """Compare log, checkpoints to the bit, names of arrays, and that both are over."""
    assert lines(ours) == lines(theirs)
    stores = [CheckpointStore(out / "checkpoints") for out in (ours, theirs)]
    assert stores[0].steps() == stores[1].steps()
    for step in stores[0].steps():
        files = [store.verify(step) for store in stores]
        assert files[0].keys() == files[1].keys()
        for name, record in files[0].items():
            if name not in except_for:
                assert record == files[1][name], (step, name)
    names = [{path.name for path in out.glob("arrays/*")} for out in (ours, theirs)]
    assert names[0] == names[1]
    assert load_run(ours).info["status"] == load_run(theirs).info["status"] == "finished"
