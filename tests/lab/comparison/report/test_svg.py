"""Charts as text."""

import xml.etree.ElementTree as ET

import pytest

from lab.comparison.report.svg import Frame, Scale, chart, frame_of, line, text


def test_a_scale_goes_from_end_to_end() -> None:
    """And no farther."""
    scale = Scale(10, 20, 100, 300)

    assert [scale(value) for value in (10, 15, 20, 25)] == [100, 200, 300, 300]


def test_a_logarithmic_scale_has_equal_ratios_equally_far_apart() -> None:
    """From 1 to 100 it is half way at 10."""
    assert Scale(1, 100, 0, 200, log=True)(10) == 100


def test_a_scale_of_nothing_has_a_middle() -> None:
    """Where all values are one."""
    assert Scale(3, 3, 0, 10)(3) == 5


@pytest.mark.parametrize(
    ("scale", "ticks"),
    [
        (Scale(0, 1, 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (Scale(-0.3, 0.42, 0, 1), [-0.2, 0, 0.2, 0.4]),
        (Scale(0.01, 20, 0, 1, log=True), [0.01, 0.1, 1, 10]),
        (Scale(0.9, 6, 0, 1, log=True), [1, 2, 5]),
    ],
)
def test_ticks_are_round(scale: Scale, ticks: list[float]) -> None:
    """About as many as wanted."""
    assert scale.ticks() == pytest.approx(ticks)


def test_a_chart_is_well_formed_and_hides_no_markup() -> None:
    """Words of strangers stay words."""
    (left, right), (bottom, top) = frame_of(300, 200)
    frame = Frame(Scale(0, 1, left, right), Scale(0, 1, bottom, top), "x <1>", "y", str, str)

    drawn = chart((300, 200), frame, [line([(1, 2), (3, 4)], "a"), text(1, 2, "<b>", "c")], '"t"')

    root = ET.fromstring(drawn)
    assert root.attrib["aria-label"] == '"t"'
    assert {"x <1>", "<b>"} <= {of.text for of in root.iter("text")}
