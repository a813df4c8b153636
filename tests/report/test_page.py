import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from qdiverge.errors import InvalidValueError, RunFolderError
from qdiverge.report import write_report
from qdiverge.report.questions import QUESTIONS
from qdiverge.report.run_page import SCRIPT
from qdiverge.report.together import SUBJECTS
from qdiverge.runs import RunLog, load_run
from qdiverge.runs.process import own_process
from tests.report.synthetic import kernel_arrays, write_run

PANELS = [panel for question in QUESTIONS for panel in question.panels]
VOID = {"meta", "path", "line", "rect", "circle", "image"}


class Page(HTMLParser):
    """Check that tags nest, and collect tags, attributes and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


def read(path):
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    config = {"target_period": None, "learning_rate": 1e-2}
    story = {"growth": 0.05, "num_steps": 300, "alarm_at": 60, "dies_at": 285, "config": config}
    return write_run(root / "ordinary"), write_run(root / "diverging", close="interrupted", **story)


def test_the_page_of_two_runs_tells_their_story(pair):
    target = write_report(pair)
    assert target == pair[0] / "report.html"
    page = read(target)
    assert "“ordinary” kept its Q-values in bounds" in page.text
    assert "Diverged, after a warning" in page.text
    assert "first alarm, 3,000" in page.text
    of_all = len(SUBJECTS)  # charts of both runs, and two lines in their legend
    assert page.tags.count("figure") == page.tags.count("figcaption") == len(PANELS) + 2 + of_all
    own = 2 * (len(PANELS) + 1) + 4  # a spectrum, two heatmaps a run
    assert page.tags.count("svg") == own + of_all + 2


def test_the_page_loads_nothing_and_runs_its_own_script_alone(pair):
    page = read(write_report(pair))
    assert not {"link", "iframe", "img", "object"} & set(page.tags)
    code = SCRIPT.read_text(encoding="utf-8")
    assert [words for words in page.words if words == code] == [code]
    assert page.tags.count("script") == 1
    assert not re.search(
        r"https?:(?!//www.w3.org/2000/svg)|fetch|XMLHttp|WebSocket|innerHTML", code
    )
    assert "</" not in code
    assert len(code.splitlines()) < 200
    addresses = [value for name, value in page.attributes if name in ("href", "src", "xlink:href")]
    assert addresses
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    css = write_report(pair).read_text(encoding="utf-8").partition("</style>")[0]
    assert "url(" not in css
    assert "@import" not in css


def test_the_policy_of_the_page_allows_its_style_its_script_and_pictures_within(pair):
    text = write_report(pair).read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)[1]
    rules = dict(rule.split(" ", 1) for rule in unescape(policy).split("; "))
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.S)[1].encode()
        digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
        assert rules.pop(name) == f"'sha256-{digest}'"
    assert rules.pop("style-src-attr") == "'unsafe-inline'"
    assert rules.pop("img-src") == "data:"
    assert set(rules.values()) == {"'none'"}
    assert "default-src" in rules
    assert text.index("Content-Security-Policy") < text.index("<style")


def test_a_panel_carries_its_numbers_to_the_bit(tmp_path):
    run = write_run(tmp_path / "x", num_steps=30, dies_at=25, kernels=False)
    page = read(write_report([run]))
    series = load_run(run).series["diverge/q_p05"]
    place = page.attributes.index(("data-name", "diverge/q_p05"))
    (_, steps), (_, values) = page.attributes[place + 1 : place + 3]
    assert steps == "50x30"
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(values), "<f8"), series.values)


def test_every_drawing_has_a_role_and_a_title(pair):
    text = write_report(pair).read_text(encoding="utf-8")
    titled = re.findall(r'<svg viewBox="[^"]+" role="img" aria-label="[^"]+"><title>', text)
    assert len(titled) == text.count("<svg") > 0


def test_a_panel_stays_small_with_long_series_and_large_kernels(tmp_path):
    rng = np.random.default_rng(0)
    with RunLog(tmp_path / "long", {"discount": 0.99}) as log:
        for step in range(3000):
            log.metrics(step, {key: float(rng.random()) for p in PANELS for key in p.keys})
        for step in (0, 2999):
            log.arrays("kernel", step, kernel_arrays(0.5, rng, 256))
    text = write_report([tmp_path / "long"]).read_text(encoding="utf-8")
    figures = re.findall(r"<figure.*?</figure>", text, re.S)
    assert len(figures) == len(PANELS) + 2
    assert max(map(len, figures)) < 60_000


def test_missing_numbers_are_named_with_their_remedy(tmp_path):
    with RunLog(tmp_path / "bare", {"discount": 0.99}) as log:
        log.metrics(1, {"diverge/q_abs_max": 0.5})
    page = read(write_report([tmp_path / "bare"]))
    for panel in PANELS[1:]:
        assert f"Not in this run: {panel.subject[0]}." in page.text
        assert panel.remedy in page.text
    assert "Not in this run: a saved kernel." in page.text


def test_a_crashed_run_and_an_empty_one_are_shown(tmp_path):
    crashed = write_run(tmp_path / "crashed", num_steps=50, close="running")
    with (crashed / "events.jsonl").open("a") as events:
        events.write('{"kind": "metrics", "st')
    info = crashed / "run.json"
    process = own_process() | {"began": -1}  # another one has its number now
    info.write_text(json.dumps(json.loads(info.read_text()) | {"process": process}))
    RunLog(tmp_path / "empty").close("interrupted")
    page = read(write_report([crashed, tmp_path / "empty"]))
    assert "The run crashed: it was never closed, and its process is gone." in page.text
    assert "Its last line was cut off" in page.text
    assert "up to 2,500 agent steps" in page.text
    assert "No Q-value was logged" in page.text


def test_values_beyond_all_bounds_still_make_a_page(tmp_path):
    extremes = [1e-300, 1e300, -1e300, np.inf, -np.inf, np.nan, 0.0, 1.7e308]
    with RunLog(tmp_path / "x", {"discount": 0.99}) as log:
        for step, value in enumerate(extremes):
            log.metrics(step, {key: value for panel in PANELS for key in panel.keys})
        bad = np.full((4, 4), np.nan)
        log.arrays("kernel", 0, {"kernel": bad, "eigenvalues": bad[0], "actions": np.arange(4)})
        log.arrays("kernel", 1, {"kernel": np.zeros((0, 0)), "actions": np.arange(0)})
    text = write_report([tmp_path / "x"]).read_text(encoding="utf-8")
    assert "16 entries are not finite" in text
    assert not re.search(r'(d|x|y|x1|y1|cx|cy|width)="[^"]*(nan|inf)', text)


def test_names_and_messages_cannot_inject_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    info = {"name": evil, "command": evil, "started": evil, "versions": {evil: evil}}
    with RunLog(tmp_path / "x", {evil: evil, "discount": 0.99}, info=info, step_unit=evil) as log:
        log.metrics(1, {"diverge/q_abs_max": 0.5})
        log.alarm(1, 1, evil, evil)
    other = write_run(tmp_path / "other", num_steps=5)
    text = write_report([tmp_path / "x", other]).read_text(encoding="utf-8")
    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in text


def test_half_a_surrogate_pair_is_no_reason_to_fail(tmp_path):
    run = write_run(tmp_path / "x", num_steps=5, kernels=False)
    info = json.loads((run / "run.json").read_text()) | {"name": "a\ud800b"}
    (run / "run.json").write_text(json.dumps(info))
    assert "a\N{REPLACEMENT CHARACTER}b" in read(write_report([run])).text


def test_runs_of_one_name_are_numbered(tmp_path):
    for i in (1, 2):
        write_run(tmp_path / str(i) / "x", num_steps=5)
    assert "x (1) and x (2)" in read(write_report([tmp_path / "1/x", tmp_path / "2/x"])).text


def test_runs_of_unlike_lengths_keep_their_own_time(tmp_path):
    short = write_run(tmp_path / "short", num_steps=10, kernels=False)
    long = write_run(tmp_path / "long", num_steps=100, kernels=False)
    assert "each has its own axis of time" in read(write_report([short, long])).text
    middle = write_run(tmp_path / "middle", num_steps=40, kernels=False)
    assert "All runs share their axes" in read(write_report([middle, long])).text


def test_the_place_of_the_page(tmp_path):
    run = write_run(tmp_path / "a" / "x", num_steps=5, kernels=False)
    assert write_report([run]) == run / "report.html"
    assert write_report([run], tmp_path) == tmp_path / "report.html"
    assert write_report([run], tmp_path / "new" / "p.html") == tmp_path / "new" / "p.html"
    assert [p.name for p in run.iterdir() if p.suffix == ".tmp"] == []


def test_bad_input_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(InvalidValueError, match="at least one run folder"):
        write_report([])
    with pytest.raises(RunFolderError, match="Check the path"):
        write_report([tmp_path])
    run = write_run(tmp_path / "x", num_steps=5, kernels=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Choose another place with --out"):
        write_report([run], tmp_path / "file" / "p.html")
