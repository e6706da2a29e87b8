"""Pictures: they are drawn for whatever the figures are, and show what they should."""

import struct

import numpy as np
import pytest

from lab.routing.evaluate import evaluate
from lab.routing.plots import draw, draw_confusion
from lab.routing.values import Confusion
from tests.lab.routing.scripted import FEASIBLE, INFEASIBLE, ROWS, STRANGERS, Scripted

NAMES = ["confusion.png", "reliability.png", "risk_coverage.png"]


def size(path):
    """Width and height of a PNG, in pixels."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return struct.unpack(">II", head[16:])


def test_three_pictures_are_drawn(tmp_path):
    """Each is a PNG that fits a page."""
    found = draw(evaluate(Scripted(), ROWS), tmp_path)
    assert [path.name for path in found] == NAMES
    assert all(400 < side < 1000 for path in found for side in size(path))


def test_the_same_figures_give_the_same_pictures(tmp_path):
    """A report can be compared with an earlier one byte by byte."""
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        draw(evaluate(Scripted(), ROWS), folder, [FEASIBLE])
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in NAMES)


@pytest.mark.parametrize("guarantees", [[FEASIBLE], [INFEASIBLE]], ids=["feasible", "infeasible"])
def test_a_guarantee_is_drawn_where_there_is_one(tmp_path, guarantees):
    """A feasible bound changes the picture; an infeasible one has no place on it."""
    found = evaluate(Scripted(), ROWS)
    [*_, plain] = draw(found, tmp_path)
    before = plain.read_bytes()
    draw(found, tmp_path, guarantees)
    assert (plain.read_bytes() != before) is (guarantees == [FEASIBLE])


@pytest.mark.parametrize("classes", [("general", "sql"), ("tools", "sql")], ids=["general", "none"])
def test_strangers_alone_have_no_curve(tmp_path, classes):
    """No row belongs to a specialist; first choices are drawn where `general` can be one."""
    found = draw(evaluate(Scripted(*classes), STRANGERS), tmp_path)
    assert [path.name for path in found] == (NAMES[:2] if classes[0] == "general" else [])


@pytest.mark.parametrize("labels", [2, 25, 80])
def test_a_matrix_of_any_size_is_drawn(tmp_path, labels):
    """Up to eighty domains fit, with room for each name."""
    counts = np.eye(labels, dtype=int) * 50
    names = tuple(f"intent-{number}" for number in range(labels))
    path = tmp_path / "confusion.png"
    draw_confusion(Confusion(names, tuple(map(tuple, counts.tolist()))), path)
    assert 10 * labels < min(size(path))
    assert max(size(path)) < 2500
