"""Find runs: those that are named, those in a folder, or those of the working folder."""

import os
from collections.abc import Sequence
from pathlib import Path

from qdiverge.errors import RunFolderError, StrangeFileError
from qdiverge.runs.boundary import Place
from qdiverge.runs.info import NAME
from qdiverge.thing_checks import check_list, check_path

USUAL = Path("runs")  # where the examples and the trainer put them


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Return whether the folder holds a run."""
    folder = check_path("folder", folder)
    return folder.is_dir() and Place.of(folder).has(NAME)


def find_runs(folders: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the runs of these folders: each itself, or those that lie in it, by name.

    Args:
        folders: Runs, or folders of runs; none: the newest run in ``runs/``, or here.

    Raises:
        RunFolderError: a folder is no run and has none in it.
    """
    if not (folders := check_list("folders", folders, check_path)):
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
    run_folders: list[Path] = []
    for folder in folders:
        runs = [folder] if is_run(folder) else _inside(folder)
        if not runs:
            _check_is_regular(folder)
            raise RunFolderError(
                "a run folder must hold a run.json, or folders that do",
                got=folder,
                remedy="Check the path; `qdiverge watch --wait` waits for a run that is to begin.",
            )
        run_folders += runs
    return run_folders


def _check_is_regular(folder: Path) -> None:
    """Say where a run.json is there, and is none."""
    if folder.is_dir() and (kind := Place.of(folder).kind(NAME)) not in (None, "a file"):
        raise StrangeFileError(
            f"{folder / NAME} must be a regular file in the run's own folder", got=kind
        )


def _inside(folder: Path) -> list[Path]:
    """Return the runs in a folder; links in it lead elsewhere, and are not followed."""
    if not folder.is_dir():
        return []
    inside = Place.of(folder)
    return [folder / name for name in inside.names() if _is_run_in(inside, name)]


def _is_run_in(folder: Place, name: str) -> bool:
    try:
        return (folder / name).has(NAME)
    except OSError:  # no folder, or a name that none has
        return False


def _written(run: Path) -> float:
    """Return when the run wrote last."""
    place = Place.of(run)
    return place.modified("events.jsonl" if place.has("events.jsonl") else NAME)
