"""The contents and the glossary: each number and alarm has an entry, and each link leads there."""

import re

import pytest

from qdiverge.diagnostics.catalogue import METRICS
from qdiverge.monitor.foresight.outlook import FORESEEN
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.report import write_report
from qdiverge.report.drawing.svg import join
from qdiverge.report.glossary import glossary, rule_term, term
from qdiverge.report.questions import QUESTIONS
from qdiverge.update.auditing.findings import SENTENCES
from tests.report.synthetic import write_run
from tests.report.test_page import read

PANELS = [panel for question in QUESTIONS for panel in question.panels]
ENTRIES = dict(re.findall(r'<dt id="([^"]+)">.*?</dt><dd>(.*?)</dd>', join(glossary())))


@pytest.fixture(scope="module", params=[1, 2])
def page(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    names = [f"{k}" for k in range(request.param)]
    return read(write_report([write_run(root / name, num_steps=20) for name in names]))


def places(page):
    return [value for name, value in page.attributes if name == "id"]


def test_every_link_within_the_page_leads_somewhere(page):
    led = {v[1:] for name, v in page.attributes if name == "href" and v.startswith("#")}
    assert len(places(page)) == len(set(places(page)))
    assert led <= set(places(page))
    sections = {f"panel-{title}" for title in ("largest-q-value", "spectrum", "loss")}
    assert led >= sections | {"is-it-blowing-up", "the-kernel", "alarms", "settings", "glossary"}


def test_every_number_has_an_entry_with_what_is_declared_of_it():
    for key, metric in METRICS.items():
        assert metric.healthy in ENTRIES[term(key)].replace("&lt;", "<").replace("&gt;", ">")
    assert {term(key) for panel in PANELS for key in panel.keys} <= ENTRIES.keys()


def test_every_alarm_has_an_entry():
    rules = [rule.name for rule in ALARM_RULES]
    for rule in (*rules, FORESEEN, "loss_not_finite", *SENTENCES):
        assert len(ENTRIES[rule_term(rule)]) > 20
    assert not [text for text in ENTRIES.values() if "{" in text]


def test_the_title_of_each_panel_leads_to_its_entry(tmp_path):
    text = write_report([write_run(tmp_path / "x", num_steps=20)]).read_text(encoding="utf-8")
    for panel in PANELS:
        assert f'<h3><a href="#{term(panel.subject[0])}">{panel.title}</a></h3>' in text
