"""Blocks of sealed metrics in which lines of as many entries have the same names, as most have.

They are decoded into records of these names instead of dictionaries: half the time for the same
numbers. Whatever is otherwise is refused as a whole, and is for :mod:`qdiverge.runs.event_lines`.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal

import msgspec

from qdiverge.runs.columns import RESERVED
from qdiverge.runs.event_lines import LARGEST_STEP, SEAL, SEAL_SIZE, crcs

Table = dict[str, tuple[Any, ...]]  # name → values
MOST_FORMS = 64  # that are made for one log
_LOOK = msgspec.json.Decoder(dict[str, Any])
_TYPES: dict[str, Any] = {"kind": Literal["metrics"], "step": int, "time": float, SEAL: str}
_NUMBER: Any = float | Literal["nan", "inf", "-inf"]  # of any other name


class Form:
    """Lines of these names: one record each.

    Args:
        names: Of a line's entries; its seal is the last.

    >>> Form(["step", "a"]).table([b'{"step":5,"a":1}', b'{"step":6,"a":"nan"}'])
    {'step': (5, 6), 'a': (1.0, 'nan')}
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        fields = [f"entry_{number}" for number in range(len(names))]
        record = msgspec.defstruct(
            "Line",
            [(field, _TYPES.get(name, _NUMBER)) for field, name in zip(fields, names, strict=True)],
            rename=dict(zip(fields, names, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(record)
        self._values = attrgetter(*fields)

    def table(self, lines: Sequence[bytes]) -> Table:
        """Return the values of each name in these lines, each without its end.

        Raises:
            msgspec.DecodeError: a line has other names, or something in it is no number.
        """
        records = self._decoder.decode_lines(b"\n".join(lines))
        if len(records) != len(lines):
            raise ValueError("a line that is empty")
        columns = zip(*map(self._values, records), strict=True)
        return dict(zip(self.names, columns, strict=True))


class AlikeLines:
    """The forms of one log's lines, learnt as it is read: for each number of entries one."""

    def __init__(self) -> None:
        self._forms: dict[int, Form] = {}
        self._num_made = 0

    def tables(self, lines: bytes) -> list[Table]:
        """Return a block's metrics, a table for each form; no name but the reserved is in two.

        Args:
            lines: Each with its end.

        Raises:
            ValueError, or another of :data:`qdiverge.runs.event_lines.BAD`: they are not all of
                this kind, or not what was written.
        """
        each = lines.split(b"\n")
        each.pop()
        alike: dict[int, list[bytes]] = {}
        size, rest = divmod(lines.count(b'":'), len(each))
        if not rest and size in self._forms:  # then none has more entries, as none may have fewer
            alike[size] = each
        else:
            for line in each:
                alike.setdefault(line.count(b'":'), []).append(line)
        forms = {size: self._form(size, own[0]) for size, own in alike.items()}
        measured = [n for form in forms.values() for n in form.names if n not in RESERVED]
        if len(set(measured)) < len(measured):
            raise ValueError("a metric in lines of two forms, whose order is to be kept")
        return [self._read(size, forms[size], own) for size, own in alike.items()]

    def _form(self, size: int, line: bytes) -> Form:
        if size not in self._forms:
            if self._num_made == MOST_FORMS:
                raise ValueError("lines of too many forms")
            names = list(_LOOK.decode(line))
            if len(names) != size or names[-1] != SEAL or {"kind", "step"} - set(names):
                raise ValueError("no sealed metrics")
            self._num_made += 1
            self._forms[size] = Form(names)
        return self._forms[size]

    def _read(self, size: int, form: Form, lines: Sequence[bytes]) -> Table:
        try:
            table = form.table(lines)
        except (ValueError, msgspec.DecodeError):
            del self._forms[size]  # the log may have gone on to other names
            raise
        if bytes.fromhex("".join(table.pop(SEAL))) != crcs([line[:-SEAL_SIZE] for line in lines]):
            raise ValueError("another CRC-32")
        if not -LARGEST_STEP <= min(table["step"]) <= max(table["step"]) <= LARGEST_STEP:
            raise ValueError("no step")
        return table
