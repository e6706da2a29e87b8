"""Conversations that continue a stored answer, as the official client has them."""

import json
import sqlite3
from contextlib import contextmanager

import openai
import pytest

from gateway.config import GatewaySection, ResponseStoreSection
from tests.fakes import FakeBackend
from tests.gateway.stacks import make_gateway, on_loopback

ASKED = {"model": "auto", "input": "please SELECT"}


@contextmanager
def clients(*keys, **limits):
    """A client for each key, and the model that answers them."""
    sql = FakeBackend("sql-model")
    with on_loopback(make_gateway(sql=sql, **limits).app) as address:
        yield (
            [openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) for key in keys],
            sql,
        )


@pytest.fixture
def store(tmp_path):
    return ResponseStoreSection(path=str(tmp_path / "responses.db"))


def said_to(backend):
    """The conversation that the model was asked last."""
    turns = json.loads(backend.requests[-1].body)["messages"]
    return [(turn["role"], turn["content"]) for turn in turns]


def test_a_request_continues_an_answer(store):
    """The model reads all that was said before, but no earlier instructions."""
    with clients("k", response_store=store) as ([client], sql):
        first = client.responses.create(**ASKED, instructions="Be brief.")
        second = client.responses.create(
            model="auto", input="SELECT again", previous_response_id=first.id
        )
        client.responses.create(
            model="auto",
            input=[{"role": "user", "content": "SELECT more"}],
            previous_response_id=second.id,
        )

        assert (first.store, second.previous_response_id) == (True, first.id)
        assert said_to(sql) == [
            ("user", "please SELECT"),
            ("assistant", "Hello, world"),
            ("user", "SELECT again"),
            ("assistant", "Hello, world"),
            ("user", "SELECT more"),
        ]


def test_a_streamed_answer_is_there_when_its_stream_ends(store):
    """So that the next request may come at once."""
    with clients("k", response_store=store) as ([client], sql):
        with client.responses.stream(**ASKED) as stream:
            first = stream.get_final_response()
        client.responses.create(model="auto", input="SELECT", previous_response_id=first.id)

        assert len(said_to(sql)) == 3


def test_a_stored_answer_can_be_read_and_deleted(store):
    """Then it is gone."""
    with clients("k", response_store=store) as ([client], _):
        answer = client.responses.create(**ASKED)

        assert client.responses.retrieve(answer.id).to_dict() == answer.to_dict()
        client.responses.delete(answer.id)
        with pytest.raises(openai.NotFoundError) as caught:
            client.responses.retrieve(answer.id)
        assert caught.value.code == "response_not_found"


def test_an_answer_is_not_stored_against_the_clients_will(store):
    """`store: false` leaves no trace."""
    with clients("k", response_store=store) as ([client], _):
        answer = client.responses.create(**ASKED, store=False)

        assert answer.store is False
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(answer.id)


def test_an_answer_to_another_key_is_unknown(store, tmp_path):
    """As one that never was."""
    keys = tmp_path / "keys"
    keys.write_text("k1\nk2\n")
    with clients("k1", "k2", response_store=store, api_keys_file=str(keys)) as ([one, other], _):
        answer = one.responses.create(**ASKED)

        for name in (answer.id, "resp_0"):
            with pytest.raises(openai.NotFoundError) as caught:
                other.responses.create(**ASKED, previous_response_id=name)
            assert (caught.value.code, caught.value.param) == (
                "previous_response_not_found",
                "previous_response_id",
            )
        assert one.responses.create(**ASKED, previous_response_id=answer.id).store


def test_a_conversation_has_the_limit_of_a_body(store):
    """A chain of requests gets no further than one would."""
    with clients("k", response_store=store, max_body_bytes=200) as ([client], _):
        answer = client.responses.create(**ASKED)
        with pytest.raises(openai.APIStatusError) as caught:
            client.responses.create(**ASKED, previous_response_id=answer.id)

    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")


def test_a_broken_store_stops_no_answer(store):
    """It is sent though it cannot be stored; a request that needs the store says why."""
    with clients("k", response_store=store) as ([client], _):
        with sqlite3.connect(store.path) as other:
            other.execute("DROP TABLE response")

        answer = client.responses.create(**ASKED)

        assert answer.output_text == "Hello, world"
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.retrieve(answer.id)
        assert caught.value.code == "response_store_unavailable"


def test_without_a_store_nothing_is_kept():
    """A request that refers to an answer is refused by name."""
    with clients("k") as ([client], _):
        answer = client.responses.create(**ASKED)

        assert answer.store is False
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(**ASKED, previous_response_id=answer.id)
        assert refused.value.code == "unsupported_parameter"
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(answer.id)


def test_two_stores_do_not_share_a_file():
    """The configuration names both keys."""
    with pytest.raises(ValueError, match=r"response_store\.path"):
        GatewaySection(shadow={"path": "a.db"}, response_store={"path": "a.db"})
