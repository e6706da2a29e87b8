"""The check of what is collected finds what it looks for."""

import pytest

from tests.collection import faults


def test_equal_collections_are_in_order() -> None:
    """Nothing is said of tests that every process collects alike."""
    assert faults(["a.py::one", "a.py::two[x]"], ["a.py::one", "a.py::two[x]"]) == []


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        pytest.param(["a.py::t[1]"], ["a.py::t[2]"], ["t[1]", "t[2]"], id="differing-id"),
        pytest.param(["a.py::t[\\x1f]"], ["a.py::t[\\x1f]"], ["t[\\x1f]"], id="bytes"),
        pytest.param(
            ["a.py::t[<f at 0x7fab01>]"], ["a.py::t[<f at 0x7fab01>]"], ["0x7fab01"], id="address"
        ),
        pytest.param(["a.py::t", "a.py::u"], ["a.py::u", "a.py::t"], ["order"], id="order"),
    ],
)
def test_a_generated_id_or_order_is_a_fault(first, second, named) -> None:
    """Each fault is one line that names the test."""
    found = faults(first, second)

    assert len(found) == len(named)
    assert all(name in line for name, line in zip(named, found, strict=True))
