"""A run, and what of it is the same every time."""

import dataclasses

from qdiverge.agents.records import Barrier, UpdateRecord


def records_of(trainer, checkpoints=None):
    """The records of the rest of the run, those of its clock set aside; saved at each barrier."""
    records = []
    for record in trainer.run():
        if isinstance(record, Barrier) and checkpoints is not None:
            assert checkpoints.save(trainer)
        if isinstance(record, UpdateRecord):
            record = dataclasses.replace(record, steps_per_second=0.0)
        records.append(record)
    return records
