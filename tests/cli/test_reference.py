"""`cli.reference`: the pages of docs/reference say what the code says."""

import re
from pathlib import Path

import pytest

from cli.reference import ENGINE_OPTIONS, FOLDER, PAGES
from deployments.spec import engine_names
from gateway.dialects.schemas import ChatRequest
from router.types import Reason

ROOT = Path(__file__).parent.parent.parent


def _rows(page: str) -> dict[str, list[str]]:
    """The cells of each row of a page's tables, by the row's first cell."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in PAGES[page]().splitlines()
        if line.startswith("| ")
    ]
    return {row[0].strip("`"): row for row in cells}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fresh(name):
    """What a page says is what the code says now; `make docs` writes it anew."""
    assert (ROOT / FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


def test_there_is_no_other_page():
    """A page that the code no longer makes is removed."""
    assert {path.name for path in (ROOT / FOLDER).iterdir()} == set(PAGES)


def test_every_engine_has_its_options():
    """No file of `deployments/engines` is left out of the page of engine options."""
    assert set(ENGINE_OPTIONS) == set(engine_names())


def test_a_setting_has_its_bounds_and_default():
    """A row of the settings has type, bounds and default."""
    assert _rows("configuration.md")["gateway.port"][1:3] == [
        "integer, ≥ 1, ≤ 65,535",
        "`8000`",
    ]


def test_a_closed_set_is_listed():
    """A setting with a closed set of values lists them."""
    assert _rows("configuration.md")["engine"][1] == "`fake`, `llama`, `openai`, `vllm`"


@pytest.mark.parametrize("page", ["configuration.md", "engines.md"])
def test_every_setting_has_a_meaning(page):
    """No key of the configuration is without a description."""
    assert [key for key, cells in _rows(page).items() if not cells[-1]] == []


def test_a_counter_is_named_as_prometheus_shows_it():
    """A row of the metrics has the exposed name, the type and the labels."""
    assert _rows("metrics.md")["niche_errors_total"][1:3] == ["counter", "`code`"]


def test_every_reason_is_explained():
    """Each reason of the router has its row."""
    assert set(Reason) <= set(_rows("reasons.md"))


def test_what_the_door_says_is_among_the_errors():
    """HAProxy answers where no request reaches the gateway."""
    assert "| 408 | `invalid_request_error` | `request_timeout` |" in PAGES["errors.md"]()


def test_an_unexpected_failure_is_among_the_errors():
    """The errors include the one that no class stands for."""
    assert "| 500 | `server_error` | `internal_error` |" in PAGES["errors.md"]()


def test_every_parameter_of_a_chat_is_listed():
    """Each field of a chat request has its row, and a refused one shows what may be sent."""
    rows = _rows("parameters.md")

    assert set(ChatRequest.__struct_fields__) <= set(rows)
    assert rows["top_p"][1] == "number, ≥ 0, ≤ 1"
    assert rows["modalities"][1] == '`["text"]`'


def test_a_parameter_of_few_values_lists_them():
    """As a setting does."""
    assert _rows("parameters.md")["encoding_format"][1] == "`base64`, `float`"


def test_every_command_has_a_section():
    """Commands of groups are there too, each with its arguments."""
    page = PAGES["cli.md"]()

    assert {"## `niche serve`", "## `niche models pull`"} <= set(page.splitlines())
    assert "--port PORT" in _rows("cli.md")
