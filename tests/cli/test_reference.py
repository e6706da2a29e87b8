"""`cli.reference`: the README's tables say what the code says."""

from pathlib import Path

import pytest

from cli.reference import TABLES, UnknownTable, fill
from router.types import Reason

README = Path(__file__).parent.parent.parent / "README.md"


def _block(name: str, inner: str = "old\n") -> str:
    return f"before\n<!-- begin: {name} -->\n{inner}<!-- end: {name} -->\nafter\n"


def test_the_readme_is_fresh():
    """What is in the README is what the code says now; `make docs` mends it."""
    text = README.read_text(encoding="utf-8")

    assert fill(text) == text


@pytest.mark.parametrize("name", TABLES)
def test_the_readme_shows_every_table(name):
    """No table is left out of the README."""
    assert f"<!-- begin: {name} -->" in README.read_text(encoding="utf-8")


def test_only_blocks_change():
    """The text around a block stays as it is, and the old block goes."""
    filled = fill(_block("reasons"))

    assert filled.startswith("before\n<!-- begin: reasons -->\n")
    assert filled.endswith("<!-- end: reasons -->\nafter\n")
    assert "old" not in filled


def test_filling_twice_changes_nothing_more():
    """A filled text stays as it is when it is filled again."""
    once = fill(_block("errors"))

    assert fill(once) == once


def test_an_unknown_block_is_refused():
    """A block that no table fits is an error that names it."""
    with pytest.raises(UnknownTable, match="no table 'prices'"):
        fill(_block("prices"))


def test_a_setting_has_its_bounds_and_default():
    """A row of the settings tells type, bounds, default and meaning."""
    row = "| `gateway.port` | integer, ≥ 1, ≤ 65,535 | `8000` | port to listen on |"

    assert row in TABLES["settings"]().splitlines()


def test_a_closed_set_is_listed():
    """A setting with a closed set of values lists them."""
    [row] = [line for line in TABLES["model-settings"]().splitlines() if "| `engine` |" in line]

    assert "`fake`, `openai`, `transformers`" in row


@pytest.mark.parametrize("name", ["settings", "model-settings"])
def test_every_setting_has_a_meaning(name):
    """No key of the configuration is without a description."""
    rows = TABLES[name]().splitlines()[2:]

    assert [row for row in rows if row.endswith("|  |")] == []


def test_a_counter_is_named_as_prometheus_shows_it():
    """A row of the metrics has the exposed name, the type and the labels."""
    row = "| `niche_errors_total` | counter | `code` | Requests that ended in an error |"

    assert row in TABLES["metrics"]().splitlines()


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_explained(reason):
    """Each reason of the router has its row."""
    assert f"| `{reason}` | " in TABLES["reasons"]()


def test_an_unexpected_failure_is_among_the_errors():
    """The errors end in what no class stands for, too."""
    assert "| 500 | `server_error` | `internal_error` |" in TABLES["errors"]()
