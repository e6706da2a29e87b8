"""Errors about a chat, told about the body that it was made of."""

import pytest

from gateway.dialects.places import in_own_detail, in_own_words, innermost
from gateway.errors import ErrorDetail, InvalidValue


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("a[0].b", "a[0].b"),
        ("a[0].c", "a[0]"),
        ("a[0][1].c", "a[0]"),
        ("a[01]", "a"),
        ("ab", ""),
        ("", ""),
    ],
)
def test_the_innermost_part_that_is_known_is_found(place: str, found: str) -> None:
    assert innermost(place, {"a", "a[0]", "a[0].b"}) == found


def test_an_error_keeps_its_class() -> None:
    """Its message names the other place too."""
    error = InvalidValue("a[1].b: no call.", "a[1].b", {"retry-after": "1"})
    told = in_own_words(error, str.upper)

    assert (type(told), told.parameter, told.message) == (
        InvalidValue,
        "A[1].B",
        "A[1].B: no call.",
    )
    assert told.headers == error.headers


def test_an_error_about_nothing_stays() -> None:
    error = InvalidValue("No.")

    assert in_own_words(error, str.upper) is error


@pytest.mark.parametrize(
    ("code", "param", "told"),
    [("invalid_prompt", "a", "A"), ("unknown_parameter", "a", "a"), ("x", None, None)],
)
def test_an_error_of_a_model_names_the_place(
    code: str, param: str | None, told: str | None
) -> None:
    """Not where the client itself wrote the name."""
    detail = in_own_detail(ErrorDetail("a: too long.", "t", param, code), str.upper)

    assert (detail.param, detail.message) == (told, f"{told or 'a'}: too long.")
