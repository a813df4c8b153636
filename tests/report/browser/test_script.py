"""The report's script in a real browser: values, zoom, smoothing, files; the page without it."""

import csv

import numpy as np
import pytest

import qdiverge as qd
from qdiverge.report import write_report
from qdiverge.runs import RunLog, load_run
from tests.report.browser.chromium import browser, found
from tests.report.inspector.test_inspector import w_to_2w
from tests.report.synthetic import write_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(found() is None, reason="no Chromium on this machine"),
]
SUBJECT = "document.querySelector('.plot .main[data-name=\"diverge/q_abs_max\"]')"
EVIL = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return write_run(root / "x", growth=0.02, num_steps=120, alarm_at=60, dies_at=115)


@pytest.fixture(scope="module")
def page(run):
    return write_report([run])


def box(tab):
    """Return left, top, width, height of the plot's area of the first chart, brought into view."""
    tab.run("document.querySelector('.plot').scrollIntoView({ block: 'center' })")
    left, top, width, height = tab.run(
        "(r => [r.left, r.top, r.width, r.height])"
        "(document.querySelector('.plot').ownerSVGElement.getBoundingClientRect())"
    )
    across, down = width / 520, height / 220
    x, y, wide, high = map(float, tab.run("document.querySelector('.plot').dataset.area").split())
    return left + x * across, top + y * down, wide * across, high * down


def drag(tab, begin, end):
    left, top, width, height = box(tab)
    tab.mouse("Moved", left + begin * width, top + height / 2)
    tab.mouse("Pressed", left + begin * width, top + height / 2, clicks=1)
    tab.mouse("Moved", left + end * width, top + height / 2, clicks=1)
    tab.mouse("Released", left + end * width, top + height / 2, clicks=1)


def saved(tab, button, folder, name):
    """Press a button of the first panel, and return the file that it saves."""
    tab.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    tab.run(
        f"[...document.querySelectorAll('button')].find(b => b.textContent === '{button}').click()"
    )
    tab.wait_for("Page.downloadProgress", state="completed")
    return folder / name


@pytest.fixture(scope="module")
def pages(page, run, tmp_path_factory):
    """Return the report of a run, that of three, and an inspected moment."""
    root = tmp_path_factory.mktemp("more")
    story = {"num_steps": 50, "config": {"learning_rate": 3.0}}
    seeds = [write_run(root / f"seed-{k}", seed=k, **story) for k in (1, 2)]
    moment = qd.inspect(*w_to_2w(), 0.9, 0.1, out=root / "moment.html")
    return {"one": page, "three": write_report([run, *seeds], root / "all.html"), "moment": moment}


@pytest.mark.parametrize("kind", ["one", "three", "moment"])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_error_and_nothing_wider_than_the_window(tab, pages, kind, width, dark):
    tab.open(pages[kind], width=width, dark=dark)
    assert (tab.run("document.querySelectorAll('.tools').length") > 30) == (kind != "moment")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.complaints == []


def test_in_a_chart_of_all_runs_each_value_bears_its_run(tab, pages):
    tab.open(pages["three"])
    left, top, width, height = box(tab)
    tab.mouse("Moved", left + 0.3 * width, top + height / 2)
    words = tab.run("document.querySelector('.tip').innerText")
    assert {line.rpartition(":")[0] for line in words.splitlines()[1:]} >= {
        *("x", "seed-1", "seed-2", "seed, 2 seeds, mean", "seed, 2 seeds, least")
    }


def test_the_arrow_keys_go_from_point_to_point(tab, run, page):
    steps = load_run(run).series["diverge/q_abs_max"].steps
    tab.open(page)
    tab.run("document.querySelector('.plot').ownerSVGElement.focus()")
    for expected in (steps[0], steps[1]):
        tab.key("ArrowRight")
        words = tab.run("document.querySelector('.tip').innerText")
        assert words.startswith(f"{expected:,} agent steps\n")


def test_no_label_of_a_line_is_cut_off_on_a_phone(tab, pages):
    tab.open(pages["one"], width=390)
    ends = "[...document.querySelectorAll('.label')].map(l => l.getBoundingClientRect().right)"
    assert max(tab.run(ends)) <= 390


def test_on_paper_the_page_is_as_it_was_written(tab, page):
    tab.open(page)
    tab.call("Emulation.setEmulatedMedia", media="print")
    shown = "[...document.querySelectorAll('.tools')].filter(t => t.offsetHeight > 0).length"
    assert tab.run(shown) == 0
    tab.call("Emulation.setEmulatedMedia", media="")
    assert tab.run(shown) > 30


def test_no_name_of_a_run_is_a_formula_in_a_spreadsheet(tab, tmp_path):
    with RunLog(tmp_path / "x", {"discount": 0.99}, info={"name": '=1+1,"'}) as log:
        log.metrics(1, {"diverge/q_abs_max": 0.5})
    tab.open(write_report([tmp_path / "x"]))
    with saved(tab, "CSV", tmp_path, "largest-q-value.csv").open(encoding="utf-8") as file:
        assert {row["run"] for row in csv.DictReader(file)} == {"'=1+1,\""}


def test_the_pointer_shows_the_value_that_was_logged(tab, run, page):
    series = load_run(run).series["diverge/q_abs_max"]
    tab.open(page)
    left, top, width, height = box(tab)
    tab.mouse("Moved", left + width / 2, top + height / 2)
    words = tab.run("document.querySelector('.tip').innerText")
    assert f"{series.steps[59]:,} agent steps" in words
    assert f"diverge/q_abs_max: {float(f'{series.values[59]:.4g}'):g}" in words
    tab.mouse("Moved", 1, 1)
    assert tab.run("document.querySelector('.tip').hidden")


def test_a_drag_looks_closer_and_a_double_click_goes_back(tab, page):
    tab.open(page)
    first = "document.querySelector('.scales').querySelectorAll('.mid')"
    ticks = f"[...{first}].map(t => t.textContent)"
    before = tab.run(ticks)
    drag(tab, 0.49, 0.76)  # of 6,000 steps
    assert tab.run(ticks) == ["3,000", "3,500", "4,000", "4,500"]
    left, top, _, height = box(tab)
    tab.mouse("Moved", left + 1, top + height / 2)
    assert "2,950 agent steps" in tab.run("document.querySelector('.tip').innerText")
    for count in (1, 2):
        tab.mouse("Pressed", left + 9, top + 9, clicks=count)
        tab.mouse("Released", left + 9, top + 9, clicks=count)
    assert tab.run(ticks) == before


def test_a_smoothed_line_ends_at_the_mean_of_its_points(tab, run, page):
    tab.open(page)
    place = f"(l => [l.getPointAtLength(l.getTotalLength()).y, l.getAttribute('d')])({SUBJECT})"
    _, written = tab.run(place)
    slide = "(i => { i.value = {share}; i.dispatchEvent(new Event('input')) })"
    tab.run(slide.replace("{share}", "0.9") + "(document.querySelector('.tools input'))")
    end, _ = tab.run(place)
    values = load_run(run).series["diverge/q_abs_max"].values
    values = values[np.isfinite(values)]
    weights = 0.9 ** np.arange(len(values))[::-1]
    kind, low, high, _ = tab.run("document.querySelector('.plot').dataset.y").split()
    assert kind == "log"
    share = np.log(weights @ values / weights.sum() / float(low)) / np.log(float(high) / float(low))
    assert end == pytest.approx(190 - 164 * share, abs=0.01)
    tab.run(slide.replace("{share}", "0") + "(document.querySelector('.tools input'))")
    assert len(tab.run(place)[1]) >= len(written)
    assert tab.run("document.querySelectorAll('.ghost').length") == 0


def test_the_table_of_a_panel_holds_its_series_to_the_bit(tab, run, page, tmp_path):
    tab.open(page)
    with saved(tab, "CSV", tmp_path, "largest-q-value.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["series"] == "diverge/q_abs_max"]
    series = load_run(run).series["diverge/q_abs_max"]
    assert {row["run"] for row in rows} == {"x"}
    assert [int(row["step"]) for row in rows] == series.steps.tolist()
    np.testing.assert_array_equal([float(row["value"]) for row in rows], series.values)


def test_the_picture_of_a_panel_is_drawn_in_its_colours(tab, page, tmp_path):
    tab.open(page)
    data = saved(tab, "PNG", tmp_path, "largest-q-value.png").read_bytes()
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (1160, 564)
    assert len(data) > 10_000  # not an empty sheet
    assert tab.complaints == []


def test_what_a_run_brings_along_is_text(tab, tmp_path):
    info = {"name": EVIL, "command": EVIL}
    with RunLog(tmp_path / "x", {EVIL: EVIL, "discount": 0.99}, info=info, step_unit=EVIL) as log:
        for step in range(5):
            log.metrics(step, {"diverge/q_abs_max": 0.5, EVIL: 1.0})
        log.alarm(1, 1, EVIL, EVIL)
    tab.open(write_report([tmp_path / "x"]))
    left, top, width, height = box(tab)
    tab.mouse("Moved", left + width / 2, top + height / 2)
    assert EVIL in tab.run("document.querySelector('.tip').innerText")
    assert tab.run("document.querySelectorAll('script').length") == 1
    assert tab.run("document.querySelectorAll('img').length") == 0
    assert tab.complaints == []


def test_a_script_that_came_in_would_not_run(tab, page, tmp_path):
    text = page.read_text(encoding="utf-8")
    bad = tmp_path / "bad.html"
    brought = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'></body>"
    bad.write_text(text.replace("</body>", brought), encoding="utf-8")
    tab.open(bad)
    assert tab.run("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in tab.complaints)


def test_without_scripts_the_page_says_the_same(tab, page):
    def words():
        return tab.run(
            "document.body.innerText.replace(/smooth|CSV|PNG/g, '').split(/\\s+/).join(' ')"
        )

    tab.open(page)
    with_script, drawings = words(), tab.run("document.querySelectorAll('svg path').length")
    tab.open(page, script=False)
    assert words() == with_script
    assert tab.run("document.querySelectorAll('svg path').length") == drawings
    assert tab.run("document.querySelectorAll('.tools, .tip').length") == 0
