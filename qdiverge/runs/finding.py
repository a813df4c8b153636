"""Find runs: those that are named, those in a folder, or those of the working folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from qdiverge.errors import RunFolderError

USUAL = Path("runs")  # where the examples and the trainer put them


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Return whether the folder holds a run."""
    return (Path(folder) / "run.json").is_file()


def find_runs(folders: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the runs of these folders: each itself, or those that lie in it, by name.

    Args:
        folders: Runs, or folders of runs; none: the newest run in ``runs/``, or here.

    Raises:
        RunFolderError: a folder is no run and has none in it.
    """
    if not folders:
        if is_run("."):
            return [Path()]
        inside = [run for place in (USUAL, Path()) for run in _inside(place)]
        if not inside:
            raise RunFolderError(
                "no run was named, and there is none in ./runs or here",
                got=Path.cwd(),
                remedy="Name one: qdiverge report runs/x.",
            )
        return [max(inside, key=_written)]
    found = []
    for folder in map(Path, folders):
        runs = [folder] if is_run(folder) else _inside(folder)
        if not runs:
            raise RunFolderError(
                "a run folder must hold a run.json, or folders that do",
                got=folder,
                remedy="Check the path; `qdiverge watch --wait` waits for a run that is to begin.",
            )
        found += runs
    return found


def _inside(folder: Path) -> list[Path]:
    return sorted(each for each in folder.glob("*") if is_run(each))


def _written(run: Path) -> float:
    """Return when the run wrote last."""
    log = run / "events.jsonl"
    return (log if log.exists() else run / "run.json").stat().st_mtime
