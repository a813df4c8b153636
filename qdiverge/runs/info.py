"""``run.json``: what a run is. Read by anybody, replaced as a whole by the process that runs it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qdiverge.errors import RunFolderError
from qdiverge.runs.whole import write_whole

NAME = "run.json"
SCHEMA = 1  # of run.json and events.jsonl; raised when an old reader would misread a new file


def read_info(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``.

    Raises:
        RunFolderError: there is none, it is damaged or of a newer schema.
    """
    try:
        info: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunFolderError(
            "a run folder must hold a run.json", got=folder, remedy="Check the path."
        ) from error
    except json.JSONDecodeError as error:
        raise RunFolderError(f"{folder}/run.json must be JSON", got=error) from error
    if info.get("schema", 0) > SCHEMA:
        raise RunFolderError(
            f"this version reads runs of schema {SCHEMA} or older",
            got=f"schema {info['schema']} in {folder}",
            remedy="Upgrade: pip install -U qdiverge.",
        )
    return info


def write_info(folder: Path, info: Mapping[str, Any]) -> None:
    """Replace ``run.json``, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there stays.
        ValueError: it is no JSON, NaN for one; likewise.
    """
    content = json.dumps(info, indent=2, allow_nan=False) + "\n"
    write_whole(folder / NAME, content, is_flushed=True)


def check_is_free(folder: Path) -> None:
    """Refuse a folder that holds a run.

    Raises:
        RunFolderError: it does.
    """
    if (folder / NAME).exists():
        raise RunFolderError(
            "the folder must not hold a run yet",
            got=f"{folder}, which holds one",
            remedy="Choose another folder (out=…, --out), or delete that folder.",
        )
