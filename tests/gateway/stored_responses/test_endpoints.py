"""Conversations that continue a stored answer, as the official client has them."""

import json
from contextlib import ExitStack, contextmanager

import openai
import pytest

from tests.fakes import FakeBackend
from tests.gateway.stacks import make_gateway, on_loopback

ASKED = {"model": "auto", "input": "please SELECT"}


@contextmanager
def clients(*keys, **limits):
    """A client for each key, and the model that answers them."""
    sql = FakeBackend("sql-model")
    with on_loopback(make_gateway(sql=sql, **limits).app) as address, ExitStack() as closing:
        settings = {"base_url": f"{address}/v1", "max_retries": 0}
        made = [openai.OpenAI(api_key=key, **settings) for key in keys]
        yield [closing.enter_context(client) for client in made], sql


@pytest.fixture
def store(place):
    return place.section()


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


def test_a_broken_store_stops_no_answer(place):
    """It is sent though it cannot be stored; a request that needs the store says why."""
    with clients("k", response_store=place.section()) as ([client], _):
        first = client.responses.create(**ASKED)
        place.breaks()

        for more in ({}, {"store": False}, {"store": True}):
            assert client.responses.create(**ASKED, **more).output_text == "Hello, world"
        for needs in (
            lambda: client.responses.retrieve(first.id),
            lambda: client.responses.delete(first.id),
            lambda: client.responses.create(**ASKED, previous_response_id=first.id),
            lambda: client.responses.create(model="auto", input=referring(first)),
        ):
            with pytest.raises(openai.InternalServerError) as caught:
                needs()
            assert (caught.value.status_code, caught.value.code) == (
                503,
                "response_store_unavailable",
            )


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


def referring(answer, text="SELECT again"):
    """A conversation whose model's turns are references, as the AI SDK sends it."""
    items = [{"type": "item_reference", "id": item.id} for item in answer.output]
    return [{"role": "user", "content": "please SELECT"}, *items, {"role": "user", "content": text}]


def test_a_reference_stands_for_an_item(store):
    """The model reads the item; the type of a reference may be left out."""
    with clients("k", response_store=store) as ([client], sql):
        first = client.responses.create(**ASKED)
        second = client.responses.create(model="auto", input=referring(first))
        [reference] = second.output
        client.responses.create(
            model="auto", input=[{"id": reference.id}, {"role": "user", "content": "SELECT"}]
        )

        assert said_to(sql) == [("assistant", "Hello, world"), ("user", "SELECT")]


def test_a_conversation_of_references_is_stored_whole(store):
    """It can be continued when what it referred to is gone."""
    with clients("k", response_store=store) as ([client], sql):
        first = client.responses.create(**ASKED)
        second = client.responses.create(model="auto", input=referring(first))
        client.responses.delete(first.id)
        client.responses.create(model="auto", input="SELECT", previous_response_id=second.id)

        assert [role for role, _ in said_to(sql)] == ["user", "assistant"] * 2 + ["user"]


def test_a_call_is_found_by_its_reference(store):
    """Its result follows it, and the model gets both."""
    weather = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    called = '<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>'
    with clients("k", response_store=store) as ([client], sql):
        sql.pieces = [called]
        answer = client.responses.create(**ASKED, tools=[weather])
        [call] = answer.output
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        client.responses.create(
            model="auto",
            input=[
                {"role": "user", "content": "please SELECT"},
                {"type": "item_reference", "id": call.id},
                result,
            ],
            tools=[weather],
        )

        assert [role for role, _ in said_to(sql)] == ["user", "assistant", "tool"]


def test_an_unknown_reference_names_its_place(store, tmp_path):
    """Whoever made the item: nobody, another key, or an answer that was not stored."""
    keys = tmp_path / "keys"
    keys.write_text("k1\nk2\n")
    with clients("k1", "k2", response_store=store, api_keys_file=str(keys)) as ([one, other], _):
        answer = one.responses.create(**ASKED)
        unstored = other.responses.create(**ASKED, store=False)
        [item], [forgotten] = answer.output, unstored.output

        for name in (item.id, forgotten.id, item.id + "0", "msg_1", "x", "_"):
            hello = {"role": "user", "content": "SELECT"}
            with pytest.raises(openai.NotFoundError) as caught:
                other.responses.create(
                    model="auto", input=[hello, {"type": "item_reference", "id": name}]
                )
            assert (caught.value.code, caught.value.param) == ("item_not_found", "input[1].id")


def test_what_is_referred_to_has_the_limit_of_a_body(store):
    """A request does not grow by repeating a reference."""
    with clients("k", response_store=store, max_body_bytes=2000) as ([client], _):
        answer = client.responses.create(**ASKED)
        [item] = answer.output
        with pytest.raises(openai.APIStatusError) as caught:
            client.responses.create(model="auto", input=[{"id": item.id}] * 30)

    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")


def test_the_answers_that_a_request_refers_to_are_bounded(store):
    """They are read all at once."""
    body = {"model": "auto", "input": [{"id": f"msg_{number}_0"} for number in range(1001)]}
    with (
        clients("k", response_store=store) as ([client], _),
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.post("/responses", body=body, cast_to=object)

    assert (caught.value.code, caught.value.param) == ("invalid_value", "input")


def test_without_a_store_a_reference_is_refused_at_its_place():
    """And the remedy is named."""
    with clients("k") as ([client], _):
        answer = client.responses.create(**ASKED)
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(model="auto", input=referring(answer))

        assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "input[1]")
