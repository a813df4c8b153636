"""The lines of ``events.jsonl``: each sealed by its CRC-32, read in blocks, checked one by one.

    {"kind": "metrics", "step": 5, "diverge/q_max": 0.5, "time": 1.2, "crc32": "c2ff20e4"}

The seal is the last entry of a line and covers what stands before it, so that a line is still the
JSON that any tool reads. Lines of older runs have none, and are read by their form alone. A line
that is not what was written is left out and counted; it never ends whoever reads.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO
from zlib import crc32

import msgspec
import numpy as np

from qdiverge.runs.strict_json import check_depth, strict_loads

BLOCK = 1 << 16  # bytes read at a time: what a cache holds, with all that becomes of it
LONGEST_LINE = 1 << 20  # bytes
LARGEST_STEP = 1 << 53
SEAL = "crc32"
NOT_FINITE = {"nan", "inf", "-inf"}  # metrics that JSON has no numbers for
_SEAL_BEGINS = f',"{SEAL}":"'.encode()
SEAL_SIZE = len(_SEAL_BEGINS) + len('00000000"}')
_DECODER = msgspec.json.Decoder(dict[str, Any])
_ENCODE_FINITE = msgspec.json.Encoder().encode  # a tenth of the time, but NaN becomes null
BAD = (ValueError, TypeError, LookupError, OverflowError, RecursionError, msgspec.DecodeError)


class Sync(msgspec.Struct):
    """What a line on a change of the target must hold."""

    step: int
    update: int


class Alarm(msgspec.Struct):
    """What a line on an alarm must hold."""

    step: int
    update: int
    rule: str
    message: str
    kind: str | None = msgspec.field(default=None, name="class")
    evidence: dict[str, Any] = {}


@dataclass(frozen=True)
class Damage:
    """A line that was left out: its number, from 1, and why."""

    line: int
    reason: str


def sealed(entry: Mapping[str, Any]) -> bytes:
    """Return an entry as a line, without its end; metrics are finite, as ``logged_numbers`` has it.

    Raises:
        ValueError: another entry holds NaN or an infinity.

    >>> sealed({"kind": "sync", "step": 5, "update": 2, "time": 0.1})
    b'{"kind":"sync","step":5,"update":2,"time":0.1,"crc32":"7f753bc5"}'
    >>> sealed({"kind": "metrics", "step": 5, "a": 0.5, "time": 0.1})
    b'{"kind":"metrics","step":5,"a":0.5,"time":0.1,"crc32":"9751cbca"}'
    """
    if entry["kind"] == "metrics":
        text = _ENCODE_FINITE(entry)
    else:
        text = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode()
    text = text[:-1]
    return b'%b,"crc32":"%08x"}' % (text, crc32(text))


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield whole lines, many at a time, and at the end what follows the last: it has no line end.

    Of a line that is longer than any that a run writes only beginning and end are kept.

    Args:
        file: At the beginning of a line.
    """
    rest = b""
    while chunk := file.read(BLOCK):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield rest + chunk[:cut]
            rest = chunk[cut:]
        elif len(rest) <= LONGEST_LINE:
            rest += chunk
    if rest:
        yield rest


def read_block(lines: bytes, number: int = 1) -> tuple[list[dict[str, Any]], list[Damage]]:
    r"""Return what whole lines hold, each looked at, and which are not what was written.

    Args:
        lines: Each with its end.
        number: Of the first.

    >>> read_block(b'{"kind": "sync", "step": 5, "update": 2}\n{"kind": "met\n')[0]
    [{'kind': 'sync', 'step': 5, 'update': 2}]
    """
    entries, damages = [], []
    for place, line in enumerate(lines.split(b"\n")[:-1], start=number):
        try:
            entries.append(read_line(line))
        except BAD as error:
            reason = "too deep a nesting" if isinstance(error, RecursionError) else str(error)
            damages.append(Damage(place, reason[:120]))
    return entries, damages


def read_sealed(lines: bytes) -> list[dict[str, Any]]:
    """Return what whole lines hold where all are sealed and none holds an entry in an entry.

    Nearly all are so, and it takes half the time; the numbers in them are not looked at.

    Raises:
        ValueError, or another of :data:`BAD`: some line must be looked at by itself.
    """
    each = lines.split(b"\n")
    each.pop()
    bodies = [line[:-SEAL_SIZE] for line in each]
    seals = bytes.fromhex(b"".join([line[-10:-2] for line in each]).decode("ascii"))
    if lines.count(_SEAL_BEGINS) != len(each) or seals != crcs(bodies):
        raise ValueError("a line without its seal")
    joined = b"}\n".join(bodies) + b"}\n"
    entries: list[dict[str, Any]] = _DECODER.decode_lines(joined)
    if joined.count(b'":') != sum(map(len, entries)) or len(entries) != len(each):
        raise ValueError("an entry within an entry, or a key twice")
    return entries


def read_line(line: bytes) -> dict[str, Any]:
    """Return what a line without its end holds, its seal left out.

    Raises:
        ValueError, or another of the like: it is not what was written.
    """
    if len(line) > LONGEST_LINE:
        raise ValueError(f"more than {LONGEST_LINE:,} bytes")
    entry = _DECODER.decode(line)
    if line.count(b'":') != len(entry):
        strict_loads(line)  # the same key twice, perhaps
    if SEAL in entry:
        if not _is_sealed(line):
            raise ValueError("another CRC-32")
        del entry[SEAL]
    check_entry(entry)
    return entry


def check_entry(entry: dict[str, Any]) -> None:
    """Refuse what is no entry of a log.

    Raises:
        ValueError, or another of the like: it lacks a field, or one has a wrong type.
    """
    kind = entry.get("kind")
    if not isinstance(kind, str):
        raise ValueError("no kind")
    if not math.isfinite(entry.get("time", 0.0)):
        raise ValueError("no time")
    if kind == "alarm":
        check_depth(entry)
        msgspec.convert(entry, Alarm)
    elif kind == "sync":
        msgspec.convert(entry, Sync)
    elif kind == "metrics":
        for name, value in entry.items():
            if name != "kind":
                _check_number(name, value)
    else:
        check_depth(entry)
    step = entry.get("step", None if kind in ("alarm", "sync", "metrics") else 0)
    if step.__class__ is not int or not -LARGEST_STEP <= step <= LARGEST_STEP:
        raise ValueError("no step")


def _check_number(name: str, value: Any) -> None:
    if value.__class__ is float or value in NOT_FINITE:
        return
    if not isinstance(value, int) or abs(value) >= 1 << 1023:
        raise ValueError(f"{name[:40]} is no number")


def crcs(bodies: Iterable[bytes]) -> bytes:
    """Return the CRC-32 of each, four bytes, the largest first."""
    return np.array([crc32(body) for body in bodies], dtype=">u4").tobytes()


def _is_sealed(line: bytes) -> bool:
    return line[-SEAL_SIZE:] == _SEAL_BEGINS + b'%08x"}' % crc32(line[:-SEAL_SIZE])
