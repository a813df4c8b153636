"""A study whose cells only wait, so that a sweep over them shows what the engine itself takes."""

import time
from pathlib import Path
from typing import Any


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return a hundred waits of two seconds, or of ten."""
    return waits(100, 10.0 if is_full else 2.0)


def waits(count: int, seconds: float) -> list[dict[str, Any]]:
    """Return so many cells."""
    return [{"number": number, "seconds": seconds} for number in range(count)]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Wait."""
    time.sleep(config["seconds"])
    return {"waited": config["seconds"]}
