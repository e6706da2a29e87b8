"""Ids of tool calls say which model called, and give the engine its own id back."""

import re

from hypothesis import given
from hypothesis import strategies as st

from deployments.tool_call_ids import marked, own_id, tag_in, tag_of

_ALLOWED_BY_EVERY_DIALECT = re.compile(r"[A-Za-z0-9_-]+")
_OWN_IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(_OWN_IDS)
def test_an_engine_gets_its_own_id_back(own: str) -> None:
    assert own_id(marked(own, "tools")) == own


@given(_OWN_IDS)
def test_every_dialect_allows_what_a_client_gets(own: str) -> None:
    assert _ALLOWED_BY_EVERY_DIALECT.fullmatch(marked(own, "tools"))


def test_an_id_tells_its_model() -> None:
    assert tag_in(marked("a-1", "tools")) == tag_of("tools") != tag_of("sql")


def test_an_id_of_another_server_tells_no_model_and_stays_as_it_is() -> None:
    for foreign in ("call_abc123", "toolu_01A", "functions.get_weather:0", "", "call_0123abcd_-2"):
        assert tag_in(foreign) is None
        assert own_id(foreign) == foreign
