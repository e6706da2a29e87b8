"""A conversation prefers the replica that holds its beginning."""

import json
from collections import Counter

import pytest

from deployments.affinity import beginning, ranks
from tests.model_requests import chat, completion, embedding, model_request

REPLICAS = {f"http://10.0.0.{number}:5000": 0 for number in range(1, 5)}
SYSTEM = {"role": "system", "content": "Be brief."}


def user(text):
    return {"role": "user", "content": text}


def first(request, replicas):
    rank = ranks(replicas, request)
    return min(rank, key=rank.get)


def turns(*messages, **body):
    return model_request("tiny", {"messages": list(messages)} | body)


def test_all_turns_of_a_conversation_prefer_one_replica():
    """Whatever was said since, and however the request is sampled."""
    answer = {"role": "assistant", "content": "It scatters."}
    opened = turns(SYSTEM, user("Why is the sky blue?"))
    later = turns(SYSTEM, user("Why is the sky blue?"), answer, user("And red?"), temperature=1)

    assert beginning(opened) == beginning(later)
    assert first(opened, REPLICAS) == first(later, REPLICAS)


def test_conversations_are_spread_over_the_replicas():
    """Evenly, by what they begin with."""
    found = Counter(first(chat(f"question {number}"), REPLICAS) for number in range(400))

    assert set(found) == set(REPLICAS)
    assert max(found.values()) < 150


def test_when_a_replica_goes_the_others_keep_their_conversations():
    """Only its own move."""
    gone, *_ = REPLICAS
    left = {address: 0 for address in REPLICAS if address != gone}
    requests = [chat(f"question {number}") for number in range(100)]

    moved = [of for of in requests if first(of, REPLICAS) != first(of, left)]
    assert moved == [of for of in requests if first(of, REPLICAS) == gone]


@pytest.mark.parametrize(("more", "same"), [(1, True), (2, False)])
def test_a_busy_replica_is_not_waited_for(more, same):
    """One request more is less than reading the beginning again."""
    request = chat("hello")
    preferred = first(request, REPLICAS)

    assert (first(request, REPLICAS | {preferred: more}) == preferred) == same


def test_the_model_and_the_first_question_make_a_conversation():
    """Another one is another conversation, also below the same system prompt."""
    one = turns(SYSTEM, user("Why?"))
    others = [
        turns(SYSTEM, user("How?")),
        turns(user("Why?")),
        model_request("other", {"messages": [SYSTEM, user("Why?")]}),
        completion("Why?"),
    ]

    assert len({beginning(of) for of in (one, *others)}) == 5


def test_a_completion_begins_with_its_first_characters():
    """A text that grows stays with its replica."""
    text = "once upon a time " * 40

    assert beginning(completion(text)) == beginning(completion(f"{text}there was"))


def test_texts_to_embed_are_spread_over_the_replicas():
    """They have no beginning in common."""
    found = {first(embedding(f"text {number}"), REPLICAS) for number in range(100)}

    assert found == set(REPLICAS)


@pytest.mark.parametrize("body", [{"messages": 3}, {"messages": ["x"]}, {}, {"prompt": [1, 2]}])
def test_any_body_has_a_beginning(body):
    """What is wrong with it is for others to say."""
    request = model_request("tiny", {"messages": []} | body)

    assert beginning(request).startswith(b"tiny")
    assert json.loads(request.body) == {"messages": []} | body
