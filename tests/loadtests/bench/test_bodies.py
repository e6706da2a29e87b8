"""The request bodies of the benchmark."""

import json

from loadtests.bench.bodies import bodies, write_bodies
from loadtests.bench.client import MARK
from loadtests.bench.upstream import STREAM_TOKENS, WHOLE_TOKENS


def test_every_body_has_a_place_for_its_number() -> None:
    """Once, in the user's message, and nothing else differs between models."""
    made = list(bodies("auto", stream=False))

    assert len(made) >= 100
    for body in made:
        [message] = json.loads(body)["messages"]
        assert message["content"].count(MARK) == body.count(MARK) == 1
    assert [body.replace("auto", "other") for body in made] == list(bodies("other", stream=False))


def test_streams_are_asked_for_as_streams() -> None:
    """With more tokens than whole answers."""
    whole, stream = (json.loads(next(bodies("m", stream=of))) for of in (False, True))

    assert (whole["max_tokens"], whole.get("stream")) == (WHOLE_TOKENS, None)
    assert (stream["max_tokens"], stream["stream"]) == (STREAM_TOKENS, True)


def test_a_file_has_a_body_in_each_line(tmp_path) -> None:
    """Also of a model whose name is a path."""
    path = write_bodies(tmp_path, "org/m", stream=True)

    assert path.parent == tmp_path
    assert {json.loads(line)["model"] for line in path.read_text().splitlines()} == {"org/m"}
