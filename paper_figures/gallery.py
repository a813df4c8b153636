"""The gallery, README.md: small copies of the pictures, and a table of where each comes from."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paper_figures import tables
from qdiverge.runs.whole import write_whole

README = Path(__file__).parent / "README.md"
PICTURES = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- origins -->\n", "<!-- /origins -->\n"
HEADER = (
    "| figure | its numbers are made by | time | on | commit | date |\n|---|---|--:|---|---|---|\n"
)
COLOURS = 64  # of a small copy


def shrink(picture: Path) -> Path:
    """Write a copy of a PNG with few colours to the gallery; return its path."""
    from PIL import Image

    PICTURES.mkdir(exist_ok=True)
    small = Image.open(picture).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(PICTURES / picture.name, optimize=True)
    return PICTURES / picture.name


def write_origins(names: Iterable[str]) -> None:
    """Write the table between its two marks in README.md."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "".join(origin(name, tables.load(name).provenance) for name in names)
    write_whole(README, before + BEGIN + HEADER + rows + END + after)


def origin(name: str, provenance: dict[str, Any]) -> str:
    """Return a line of the table: of the data where they were read from elsewhere.

    >>> made = {"command": "c", "seconds": 90, "hardware": "h", "commit": "a", "started": "d"}
    >>> print(origin("x", made), end="")
    | `x` | `c` | 90 s | h | a | d |
    """
    made = provenance.get("data", provenance)
    cells = (made["hardware"], made["commit"], made["started"][:10])
    time = _time(made.get("seconds"))
    return f"| `{name}` | `{made['command']}` | {time} | {' | '.join(cells)} |\n"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
