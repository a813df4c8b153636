"""``run.json``: what a run is. Read by anybody, replaced as a whole by the process that runs it.

Its last entry is the SHA-256 of all the others, so that a flipped byte is seen. What cannot be read
is taken from the newest checkpoint, which keeps a copy; else a run goes by the name of its folder.
"""

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from qdiverge.errors import QDivergeError, RunFolderError
from qdiverge.plain_text import plain, warn
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.strict_json import read_json
from qdiverge.runs.whole import write_whole
from qdiverge.thing_checks import check_path

NAME = "run.json"
SPARE = ".run.json.spare"  # room that is kept for the last word of a run whose disk is full
ROOM = 16_384  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SCHEMA = 1  # of run.json and events.jsonl; raised when an old reader would misread a new file
SEAL = "sha256"
MOST = 4 * MIB


class Audit(msgspec.Struct):
    """What the audits of a loop came to."""

    num_audits: int = 0
    num_undecided: int = 0
    why_not: str | None = None
    trains: str | None = None


class Remedy(msgspec.Struct):
    """A remedy that a run took."""

    step: int
    target_period: int | None = None
    learning_rate: float | None = None


# what an entry must be that somebody reads; the others may be any JSON
KINDS: dict[str, Any] = {
    "schema": int,
    "name": str,
    "status": str,
    "step_unit": str,
    "started": str,
    "command": str,
    "hardware": str,
    "update_rule": str,
    "target_rule": str,
    "measured_otherwise": str,
    "seconds": float,
    "deadline_seconds": float,
    "device": str,
    "process": dict[str, int | str | None],
    "config": dict[str, Any],
    "versions": dict[str, str],
    "monitor": dict[str, Any],
    "audit": Audit,
    "foresight": dict[str, Any],
    "remedies": list[Remedy],
    "resumed": list[dict[str, Any]],
}


def read_info(folder: Path) -> dict[str, Any]:
    """Return the content of ``run.json``; where it is damaged, what is left of it, and a warning.

    Raises:
        RunFolderError: there is none, it is no regular file, or of a newer schema.
    """
    info, damage = look_at_info(check_path("folder", folder))
    if damage:
        warn(f"{folder}: {damage}", stacklevel=3)
    return info


def look_at_info(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the content of ``run.json``, and in a sentence what is wrong with it; "" if nothing.

    Raises:
        RunFolderError: there is none, it is no regular file, or of a newer schema.
    """
    try:
        content = Place.of(folder).read(NAME, MOST)
    except QDivergeError:
        raise
    except OSError as error:
        raise RunFolderError(
            "a run folder must hold a run.json", got=folder, remedy="Check the path."
        ) from error
    return parse_info(content, folder)


def parse_info(content: bytes, folder: Path) -> tuple[dict[str, Any], str]:
    """Return what a ``run.json`` of this content says, and what is wrong with it.

    Raises:
        RunFolderError: it is of a newer schema.
    """
    try:
        info = read_json(content, dict[str, Any], folder / NAME)
    except RunFolderError as error:
        reason = str(error).partition("; got ")[2]
        return {"schema": SCHEMA}, f"{NAME} is damaged, and what it said is left out: {reason}"
    seal = info.pop(SEAL, None) or _misnamed_seal(info)
    if seal is not None and seal != digest(info):
        damage = f"{NAME} was changed since it was written: its SHA-256 is another."
    else:
        damage = ""
        check_schema(info, folder)
    wrong = [name for name, kind in KINDS.items() if name in info and not _is(info[name], kind)]
    if wrong:
        damage += f" {NAME} has no such {plain(', '.join(wrong))}: left out, of a wrong type."
    return {name: value for name, value in info.items() if name not in wrong}, damage.strip()


def check_schema(info: Mapping[str, Any], folder: Path) -> None:
    """Refuse what a newer version wrote.

    Raises:
        RunFolderError: it did.
    """
    schema = info.get("schema", 0)
    if isinstance(schema, int) and schema > SCHEMA:
        raise RunFolderError(
            f"this version reads runs of schema {SCHEMA} or older",
            got=f"schema {schema} in {folder}",
            remedy="Upgrade: pip install -U qdiverge.",
        )


def write_info(folder: Path, info: Mapping[str, Any]) -> None:
    """Replace ``run.json``, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there stays.
        ValueError: it is no JSON, NaN for one; likewise.
    """
    write_whole(folder / NAME, dump_info(info), is_flushed=True)


def dump_info(info: Mapping[str, Any]) -> str:
    """Return the content of ``run.json``.

    Raises:
        ValueError: it is no JSON, NaN for one.
    """
    plainly = json.loads(json.dumps(info, allow_nan=False))  # as it will be read
    return json.dumps(plainly | {SEAL: digest(plainly)}, indent=2) + "\n"


def digest(info: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what ``run.json`` says, however its entries are laid out.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(info, sort_keys=True).encode()).hexdigest()


def reserve(folder: Path) -> None:
    """Keep room for one more ``run.json``, where there is any."""
    with suppress(OSError), Place.of(folder).writing(SPARE) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, ROOM)
        else:
            file.write(bytes(ROOM))


def write_last(folder: Path, info: Mapping[str, Any]) -> None:
    """Replace ``run.json`` for the last time, on a full disk in the room that was kept for it.

    Raises:
        OSError: it cannot be written all the same.
    """
    place = Place.of(folder)
    try:
        write_info(folder, info)
    except OSError as error:
        if error.errno not in FULL or not place.has_own(SPARE):
            raise
        place.overwrite(SPARE, dump_info(info).encode())
        place.rename(SPARE, NAME)
    with suppress(OSError):
        place.remove(SPARE)


def check_is_free(folder: Path) -> None:
    """Refuse a folder that holds a run.

    Raises:
        RunFolderError: it does.
    """
    if folder.is_dir() and Place.of(folder).kind(NAME) is not None:
        raise RunFolderError(
            "the folder must not hold a run yet",
            got=f"{folder}, which holds one",
            remedy="Choose another folder (out=…, --out), or delete that folder.",
        )


def _misnamed_seal(info: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of the others where it stands under another name: that was damaged."""
    for name, value in info.items():
        others = {other: info[other] for other in info if other != name}
        if isinstance(value, str) and len(value) == 64 and value == digest(others):
            return value
    return None


def _is(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, ValueError):
        return False
    return True
