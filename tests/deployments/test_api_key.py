"""An API key in the environment."""

import pytest

from deployments.api_key import read_api_key


@pytest.mark.parametrize("text", ["sk-a", "sk-a\n", "\t sk-a\r\n"])
def test_whitespace_around_a_key_is_no_part_of_it(text: str) -> None:
    assert read_api_key({"KEY": text}, "KEY") == "sk-a"


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": "\n"}])
def test_a_variable_without_a_key_holds_none(environ: dict[str, str]) -> None:
    assert read_api_key(environ, "KEY") is None


@pytest.mark.parametrize(
    "text",
    ["sk-a\nsk-b", "sk-\x00a", "sk-\x7fa", "sk-a…", "sk-\udcff"],
    ids=["line break", "NUL", "DEL", "beyond latin-1", "no character"],
)
def test_a_key_that_no_header_can_hold_is_refused(text: str) -> None:
    """The error names the variable, and shows nothing of the key."""
    with pytest.raises(ValueError, match="the key in KEY") as refused:
        read_api_key({"KEY": text}, "KEY")
    assert "sk-" not in str(refused.value)
