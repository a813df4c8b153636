"""Every logged number is declared, drawn, and stands in the table that is handed out."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch

import qdiverge
from qdiverge.cli import main
from qdiverge.diagnostics import REGISTRY
from qdiverge.diagnostics.catalogue import METRICS, NOT_MEASURED
from qdiverge.monitor import attach
from qdiverge.monitor.foresight.outlook import FORESEEN
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.report.metrics_table import COLUMNS, alarms_of, panels_of
from qdiverge.runs import load_run
from qdiverge.update.auditing.findings import SENTENCES
from tests.monitor.test_monitor import loss_of, make_network, random_batch

PACKAGE = Path(qdiverge.__file__).parent
PAGE = PACKAGE.parent / "docs" / "metrics.md"


def test_a_key_is_declared_once():
    declared = [*NOT_MEASURED, *(metric for kind in REGISTRY for metric in kind.metrics)]
    counts = Counter(metric.key for metric in declared)
    assert [key for key, count in counts.items() if count > 1] == []


def test_a_watched_run_logs_what_is_declared(tmp_path):
    """All of it, since the last measurement is made in full; but not what the trainer adds."""
    torch.manual_seed(1)
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    with attach(network, optimizer=optimizer, out=tmp_path / "run", every=2, cost="full") as watch:
        for _ in range(6):
            data = watch.batch(random_batch())
            optimizer.zero_grad()
            loss_of(network, data).backward()
            optimizer.step()
    of_others = {m.key for kind in REGISTRY if kind.of_networks_with for m in kind.metrics}
    expected = METRICS.keys() - of_others - {"diverge/alignment"}
    assert set(load_run(tmp_path / "run").series) == expected


def test_no_code_names_a_key_that_nobody_declares():
    named = re.compile(r"""["'](diverge/[a-z0-9_]+)["']""")
    files = list(PACKAGE.rglob("*.py"))
    keys = {key for file in files for key in named.findall(file.read_text(encoding="utf-8"))}
    undeclared = sorted(keys - METRICS.keys())
    assert not undeclared, f"declare them, in diagnostics or diagnostics/catalogue.py: {undeclared}"
    assert keys


def test_every_number_is_drawn_on_a_panel():
    unseen = [key for key in METRICS if not panels_of(key)]
    assert not unseen, f"no panel in qdiverge/report/questions/ draws {unseen}: give them one"


@pytest.mark.parametrize("rule", ALARM_RULES, ids=lambda rule: rule.name)
def test_every_alarm_rule_stands_beside_the_numbers_that_it_reads(rule):
    read = {key for key in METRICS if rule.name in alarms_of(key).split(", ")}
    assert read == {f"diverge/{name}" for name in rule.needs} != set()


def test_the_committed_page_is_what_the_command_prints(capsys):
    assert main(["metrics"]) == 0
    printed = capsys.readouterr().out
    advice = "docs/metrics.md is out of date; run: qdiverge metrics > docs/metrics.md"
    assert PAGE.read_text(encoding="utf-8") == printed, advice
    tables = [part.splitlines() for part in re.split(r"\n\n|\n(?=#)", printed) if part[0] == "|"]
    widths = [{len(re.split(r"(?<!\\)\|", row)) - 2 for row in rows} for rows in tables]
    assert widths == [{len(COLUMNS)}, {2}, {3}, {2}]
    assert len(tables[0]) == len(METRICS) + 2
    named = {row.split("`")[1] for rows in tables[2:] for row in rows[2:]}
    assert named == {rule.name for rule in ALARM_RULES} | {FORESEEN, "loss_not_finite", *SENTENCES}
