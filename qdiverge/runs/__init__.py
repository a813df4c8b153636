"""The files of a run: run.json, events.jsonl, arrays."""
