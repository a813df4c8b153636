import base64
import struct
import xml.etree.ElementTree as ET
import zlib

import numpy as np
import pytest

from qdiverge.report.drawing.axes import Axis, fit_axis
from qdiverge.report.drawing.chart import Chart, Line
from qdiverge.report.drawing.heatmap import heatmap, order_by_action, similarity
from qdiverge.report.drawing.line_chart import line_chart
from qdiverge.report.drawing.marks import MOST_SYNCS
from qdiverge.report.drawing.png import png
from qdiverge.report.drawing.svg import Markup, element, join, polyline
from qdiverge.report.numbers import spread
from qdiverge.runs import Series
from tests.report.synthetic import kernel_arrays


def chart(values, **options):
    steps = np.arange(len(values))
    defaults = {
        "title": "t",
        "x": Axis("linear", 0.0, float(len(values) - 1)),
        "y": fit_axis("log", np.array(values)),
        "unit": "updates",
        "lines": (Line("Q {}", Series(steps, np.array(values))),),
    }
    return ET.fromstring(line_chart(Chart(**(defaults | options))))


def texts(svg):
    return [text.text for text in svg.iter("text")]


def path(svg, kind):
    return [p.get("d") for p in svg.iter("path") if p.get("class") == kind]


def test_everything_but_markup_is_escaped():
    assert element("p", "<script>", title='"><script>') == (
        '<p title="&quot;&gt;&lt;script&gt;">&lt;script&gt;</p>'
    )
    assert join(["a<b", Markup("<i>c</i>")]) == "a&lt;b<i>c</i>"


def test_polyline_coordinates_are_short_and_exact_to_a_tenth():
    assert polyline(np.array([-0.04, 1.25]), np.array([0.0, 99.96])) == "M0 0L1.2 100"


def test_a_log_line_of_a_geometric_series_is_straight():
    data = path(chart([1.0, 10.0, 100.0, 1000.0]), "main")[0]
    points = np.array([[float(v) for v in p.split()] for p in data[1:].split("L")])
    np.testing.assert_allclose(np.diff(points, n=2, axis=0), 0.0, atol=0.21)  # two roundings to .1


def test_the_label_of_a_line_holds_its_last_finite_value():
    assert "Q 100" in texts(chart([1.0, 10.0, 100.0, np.nan]))


def test_a_non_finite_end_is_shaded_crossed_and_named():
    svg = chart([1.0, 10.0, np.inf, np.nan])
    assert "∞ from 2" in texts(svg)
    assert len(path(svg, "cross")) == 1
    assert any(rect.get("class") == "gone" for rect in svg.iter("rect"))


def test_a_gap_breaks_the_line():
    assert path(chart([1.0, 2.0, np.nan, 4.0, 5.0]), "main")[0].count("M") == 2


def test_values_that_never_were_numbers_still_make_a_chart():
    assert "NaN from 0" in texts(chart([np.nan, np.nan]))


def test_the_first_alarm_and_the_crossing_are_named():
    svg = chart([1.0, 10.0, 100.0], alarms=(1, 2), crossing=(2, 50.0), is_named=True)
    assert {"first alarm, 1", "past the bound, 2"} <= set(texts(svg))
    assert path(svg, "flag")[0].count("M") == 2
    assert not path(chart([1.0, 2.0]), "flag")


def test_target_syncs_are_ticks_on_the_axis_of_time():
    svg = chart([1.0, 2.0, 3.0], syncs=(0, 1, 2))
    assert path(svg, "sync")[0].count("v-6") == 3
    assert path(chart([1.0] * 1000, syncs=tuple(range(1000))), "sync")[0].count("v-6") <= MOST_SYNCS
    assert not path(chart([1.0, 2.0]), "sync")


def test_every_event_has_its_own_dot():
    line = Line("", Series(np.arange(3), np.array([1.0, np.nan, 3.0])), "dots")
    assert path(chart([1.0, 2.0, 3.0], lines=(line,)), "dots")[0].count("h0") == 2


def test_labels_keep_their_distance():
    places = spread([5.0, 5.0, 6.0, 90.0], 10.0, 0.0, 100.0)
    assert min(np.diff(places)) >= 10.0
    assert max(places) <= 100.0


def test_similarity_is_one_on_the_diagonal_and_scale_free():
    K = kernel_arrays(0.5, np.random.default_rng(0))["kernel"].astype(np.float64)
    scale = np.linspace(1, 9, len(K))
    c = similarity(K)
    np.testing.assert_allclose(np.diag(c), 1.0, atol=1e-12)
    np.testing.assert_allclose(c, similarity(scale[:, None] * K * scale), atol=1e-12)


def test_a_zero_gradient_and_a_bad_entry_have_no_similarity():
    K = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, np.inf], [0.0, np.inf, 1.0]])
    missing = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=bool)
    np.testing.assert_array_equal(np.isnan(similarity(K)), missing)


def test_rows_are_grouped_by_action():
    arrays = kernel_arrays(0.5, np.random.default_rng(0))
    order = order_by_action(similarity(arrays["kernel"]), arrays["actions"])
    assert (np.diff(arrays["actions"][order]) >= 0).all()
    assert sorted(order) == list(range(len(order)))


def test_png_chunks_carry_the_pixels():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert read_png(png(pixels, [(i, 0, 0, 255) for i in range(6)])).tolist() == pixels.tolist()


@pytest.mark.parametrize("size", [1, 48, 400])
def test_a_heatmap_of_any_size_is_a_small_square_picture(size):
    arrays = kernel_arrays(0.5, np.random.default_rng(0), size)
    svg = ET.fromstring(heatmap("K", arrays["kernel"], arrays["actions"]))
    address = next(svg.iter("image")).get("href")
    pixels = read_png(base64.b64decode(address.partition(",")[2]))
    assert pixels.shape[0] == pixels.shape[1] <= 160
    assert len(address) < 40_000
    if size == 48:
        assert (np.diag(pixels) == 100).all()  # the shade of +1


def read_png(data):
    """Decode a palette PNG whose rows are unfiltered, checking each chunk's CRC."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        size = struct.unpack(">I", data[place : place + 4])[0]
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        crc = struct.unpack(">I", data[place + 8 + size : place + 12 + size])[0]
        assert crc == zlib.crc32(kind + body)
        chunks[kind] = body
        place += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:]
