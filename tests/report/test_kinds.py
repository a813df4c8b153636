"""The three classes of alarm are told apart: by word, by mark, and by colour for every eye."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import qdiverge.report
from qdiverge.report import write_report
from qdiverge.runs import RunLog
from tests.report.test_page import read

CSS = (Path(qdiverge.report.__file__).parent / "report.css").read_text(encoding="utf-8")
SCHEMES = dict(
    zip(("light", "dark", "paper"), re.findall(r":root \{(.*?)\}", CSS, re.S), strict=True)
)
CLASSES = ("warn", "loop", "note")
# Machado et al. 2009, severity 1, on linear RGB
EYES = {
    "all cones": np.eye(3),
    "no L": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no M": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no S": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(scheme, name):
    digits = re.search(rf"--{name}: #([0-9a-f]+);", SCHEMES[scheme])[1]
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    rgb = np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    ratio = XYZ @ np.clip(rgb, 0, 1) / (XYZ @ np.ones(3))
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_colours_of_the_classes_differ_for_every_eye(scheme, eye):
    """By CIE76; 2.3 is just noticeable side by side, 20 at a glance."""
    seen = [lab(np.array(EYES[eye]) @ linear(scheme, name)) for name in CLASSES]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_in_these_colours_can_be_read(scheme, name):
    """WCAG 2, level AA: a contrast of 4.5."""
    dark, light = sorted(XYZ[1] @ linear(scheme, each) for each in (name, "paper"))
    assert (light + 0.05) / (dark + 0.05) > 4.5


def test_each_class_has_its_word_and_its_mark(tmp_path):
    with RunLog(tmp_path / "x", {"discount": 0.99}) as log:
        for step in range(10):
            log.metrics(step, {"diverge/q_abs_max": 0.5})
        log.alarm(2, 2, "runaway_growth", "It grows.")
        log.alarm(3, 3, "broadcast", "It broadcasts.", kind="loop")
        log.alarm(4, 4, "dead_units", "They are dead.", kind="condition")
    path = write_report([tmp_path / "x"])
    text = path.read_text(encoding="utf-8")
    page = read(path)
    for word in ("▲ ALARM", "◆ LOOP", "● NOTE"):
        assert page.words.count(word) == 2  # where it was raised, and in the glossary
    figure = text[text.index("<figure") : text.index("</figure>")]
    flags = re.findall(r'<path class="(flag[^"]*)" d="([^"]+)"', figure)
    assert {kind for kind, _ in flags} == {"flag", "flag of-loop", "flag of-condition"}
    assert len({shape.partition(" ")[2] for _, shape in flags}) == 3
    assert "triangles mark alarms, diamonds findings on the loop, discs notes" in page.text
