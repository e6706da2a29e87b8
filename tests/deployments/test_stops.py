"""Stop strings in a text that arrives in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.stops import StopScanner


def scan(pieces: list[str], stop: tuple[str, ...]) -> tuple[str, bool]:
    scanner, shown = StopScanner(stop), ""
    for piece in pieces:
        shown += scanner.push(piece)
        if scanner.stopped:
            return shown, True
    return shown + scanner.flush(), False


@pytest.mark.parametrize("pieces", [["a END b"], ["a E", "ND b"], ["a ", "E", "N", "D", " b"]])
def test_a_stop_string_is_found_however_it_is_cut(pieces: list[str]) -> None:
    """A stop string ends the text wherever the pieces begin and end."""
    assert scan(pieces, ("END",)) == ("a ", True)


def test_it_is_told_which_stop_string_was_found() -> None:
    """The one that the text has first; of two that begin at once the one that is complete first."""
    scanner = StopScanner(("c", "bc", "b", "z"))
    scanner.push("a")
    assert (scanner.found, scanner.stopped) == (None, False)
    scanner.push("bc")
    assert (scanner.found, scanner.stopped) == ("b", True)


def test_what_only_looked_like_a_stop_string_is_shown() -> None:
    """A held-back start of a stop string appears once it is known not to be one."""
    assert scan(["a EN", "T"], ("END",)) == ("a ENT", False)
    assert scan(["a EN"], ("END",)) == ("a EN", False)


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_pieces_give_what_the_whole_text_gives(text: str, stop: list[str]) -> None:
    """Scanning letter by letter shows the text up to the first stop string to be complete."""
    ends = [(text.index(s) + len(s), text.index(s)) for s in stop if s in text]
    expected = text[: min(start for end, start in ends if end == min(ends)[0])] if ends else text

    assert scan(list(text), tuple(stop)) == (expected, bool(ends))
