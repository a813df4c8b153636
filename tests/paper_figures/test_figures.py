"""Figures are drawn from their committed tables; the tables say what theory says."""

import json
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from paper_figures import __main__ as command
from paper_figures import contraction_map, foresight, gallery, tables, target_period


@pytest.mark.parametrize("name", command.figures())
def test_a_figure_is_drawn_from_its_committed_table(name, tmp_path, capsys):
    assert command.main([name, "--out", str(tmp_path)]) == 0
    pdf = (tmp_path / f"{name}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf  # fonts embedded, as TrueType
    assert b"/Type3" not in pdf
    assert (tmp_path / f"{name}.png").stat().st_size > 20_000
    header = (tmp_path / f"{name}.csv").read_text().splitlines()[0]
    assert header.split(",") == list(tables.load(name).columns)


@pytest.mark.parametrize("name", command.figures())
def test_every_table_carries_its_provenance(name):
    provenance = tables.load(name).provenance
    assert provenance["command"].startswith(f"python -m paper_figures {name} --rerun")
    assert {"commit", "versions", "hardware", "started"} <= provenance.keys()


@pytest.mark.parametrize("name", command.figures())
def test_the_gallery_shows_every_figure_and_where_it_comes_from(name):
    text, picture = gallery.README.read_text(encoding="utf-8"), gallery.PICTURES / f"{name}.png"
    assert f"![{name}](../docs/{name}.png)" in text
    assert gallery.origin(name, tables.load(name).provenance) in text  # else: --gallery
    assert picture.stat().st_size < 150_000


def test_drawing_twice_gives_the_same_file(tmp_path):
    first = command.draw("target_period", tmp_path / "a").read_bytes()
    assert command.draw("target_period", tmp_path / "b").read_bytes() == first


def test_the_map_orders_the_verdicts_as_theory_does():
    columns = {k: np.array(v) for k, v in tables.load("contraction_map").columns.items()}
    certified, stable = columns["td_error_modulus"] < 1, columns["spectral_radius"] < 1
    row = columns["row_margin"] > 0
    assert (stable | ~certified).all()  # certified ⇒ stable
    assert (certified | ~row).all()  # the row condition ⇒ certified
    assert row.any()
    assert (certified & ~row).any()
    assert (stable & ~certified).any()
    assert (~stable).any()


def test_a_row_of_the_map_is_reproduced():
    columns = tables.load("contraction_map").columns
    row = contraction_map._verdicts(columns["x"][500], columns["discount"][500])
    assert row == pytest.approx({k: v[500] for k, v in columns.items()}, abs=1e-8)


def test_bairds_star_becomes_stable_at_77_and_certified_at_1332():
    columns = {k: np.array(v) for k, v in tables.load("target_period").columns.items()}
    own = columns["discount"] == 0.99
    period = columns["period"][own]
    assert period[columns["radius_per_period"][own] < 1].min() == 77
    assert period[columns["sup_norm_modulus"][own] < 1].min() == 1332
    assert target_period.LEARNING_RATE == 0.01


def test_a_missing_or_torn_table_names_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "DATA", tmp_path)
    with pytest.raises(ValueError, match="python -m paper_figures x --rerun"):
        tables.load("x", tmp_path)
    torn = {"provenance": {}, "columns": {"a": [1], "b": [1, 2]}}
    (tmp_path / "x.json").write_text(json.dumps(torn))
    with pytest.raises(ValueError, match="one length"):
        tables.load("x", tmp_path)
    for text in ('{"provenance": {', '{"provenance": {}}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match="python -m paper_figures x --rerun"):
            tables.load("x", tmp_path)


def test_a_table_of_an_older_version_names_the_command(tmp_path, monkeypatch, capsys):
    old = tables.load("target_period")
    del old.columns["sup_norm_modulus"]
    monkeypatch.setattr(tables, "load", lambda name: old)
    assert command.main(["target_period", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "must have a column 'sup_norm_modulus'" in said
    assert "python -m paper_figures target_period --rerun" in said


def test_a_figure_says_where_its_data_were_measured_and_what_drew_it():
    made: dict[str, Any] = {"commit": "c0", "hardware": "h", "started": "2026-01-02T03"}
    made |= {"command": "draw x", "versions": {"qdiverge": "0", "torch": "1", "numpy": "2"}}
    data = made | {"commit": "c1", "command": "sweep x " + 50 * "long "}
    lines = tables.Table({}, made | {"data": data}).source.splitlines()
    assert lines[0].startswith("sweep x long")
    assert len(lines[0]) <= tables.WIDEST
    assert lines[1] == "commit c1 · qdiverge 0, torch 1, numpy 2 · h · 2026-01-02"
    assert lines[2] == "draw x (commit c0, 2026-01-02)"
    assert len(tables.Table({}, made).source.splitlines()) == 2


def test_a_run_is_refused_where_none_is_taken(capsys):
    assert command.main(["target_period", "--rerun", "--run", "runs/x"]) == 2
    assert "made from a run" in capsys.readouterr().err


def test_bad_usage_has_status_2(capsys):
    assert command.main(["no_such_figure"]) == 2
    assert command.main([]) == 2
    assert command.main(["--list"]) == 0
    assert "contraction_map" in capsys.readouterr().out
    assert import_module("paper_figures.style").SETTINGS["pdf.fonttype"] == 42


def test_the_figure_of_the_foresight_study_shows_its_committed_evaluation():
    """A stratum that was added to the study was in neither table nor picture."""
    assert foresight.compute().columns == tables.load("foresight").columns
