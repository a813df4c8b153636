"""A run's report and its inspected moments lead to one another."""

import re
from urllib.parse import unquote

import pytest
import torch

import qdiverge as qd
from qdiverge.report import write_report
from qdiverge.report.siblings import address
from tests.report.inspector.test_inspector import w_to_2w
from tests.report.synthetic import write_run


def links(page):
    text = page.read_text(encoding="utf-8")
    return [unquote(link) for link in re.findall(r'href="([^"#:]+)"', text)]


@pytest.mark.parametrize("name", ["x", 'a b&"<x>#?%20'])
def test_each_page_leads_to_the_other(tmp_path, name):
    run = write_run(tmp_path / name, num_steps=5, kernels=False)
    lone = write_report([run])
    assert links(lone) == []
    torch.manual_seed(0)
    moments = [
        qd.inspect(*w_to_2w(), 0.9, 0.1, out=run / f"moment-{moment}.html")
        for moment in ("update-30", "2000", "10000")
    ]
    assert [links(moment) for moment in moments] == [["report.html"]] * 3
    beside = write_report([run])
    assert links(beside) == ["moment-2000.html", "moment-10000.html", "moment-update-30.html"]
    assert "step 2,000</a>" in beside.read_text(encoding="utf-8")
    assert "before update 30</a>" in beside.read_text(encoding="utf-8")
    away = write_report([run], tmp_path / "all.html")
    assert [(away.parent / link).resolve() for link in links(away)] == [
        (run / link).resolve() for link in links(beside)
    ]


def test_a_page_outside_a_run_has_no_report(tmp_path):
    (tmp_path / "report.html").write_text("not of a run")
    assert links(qd.inspect(*w_to_2w(), 0.9, 0.1, out=tmp_path / "moment.html")) == []


def test_a_folder_is_never_taken_for_a_scheme(tmp_path):
    folder = tmp_path / "javascript:alert(1)"
    assert ":" not in address(folder / "moment-1.html", tmp_path)
