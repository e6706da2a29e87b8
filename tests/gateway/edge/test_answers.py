"""The edge's answers have the shape of the gateway's errors."""

import http.client
import io
import json

import msgspec
import pytest

from gateway.edge.answers import ANSWERS
from gateway.errors import TABLE, ErrorBody


class _Socket(io.BytesIO):
    def makefile(self, mode: str) -> "_Socket":
        return self


@pytest.mark.parametrize("status", sorted(ANSWERS))
def test_an_answer_is_openai_s_error(status: int) -> None:
    """It can be read as HTTP, and its body as an error of the gateway, of a type that it has."""
    response = http.client.HTTPResponse(_Socket(ANSWERS[status].http(status)))  # type: ignore[arg-type]
    response.begin()
    body = response.read()

    assert response.status == status
    assert response.headers["content-type"] == "application/json"
    error = msgspec.json.decode(body, type=ErrorBody).error
    assert error.type in {rule.type for rule in TABLE.values()}
    assert error.code
    assert json.loads(body).keys() == {"error"}
