"""Reads a server's answer to a request for embeddings, or for a ranking. Without I/O.

Its `model` becomes the request's, and everything else arrives unchanged, but for its identity:
OpenAI's embeddings have none, and a ranking gets ours.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from deployments.engines._openai_choices import is_empty
from deployments.engines._openai_events import MAX_BYTES, TooLong
from deployments.engines._openai_format import AnswerFormat
from deployments.engines._openai_usage import Tally
from deployments.protocol import Chunk, ModelRequest, Operation

_encode = msgspec.json.encode
_RESULTS: Mapping[Operation, str] = {"embedding": "data", "rerank": "results"}


class InputsAnswer:
    """Reads one answer, which ends with its bytes.

    Args:
        request: what is answered.
        key: what no error may show.
    """

    done = finished = False

    def __init__(self, request: ModelRequest, key: str | None = None) -> None:
        self._results = _RESULTS[request.operation]
        self._identity = {"object": Raw(b'"list"'), "model": Raw(_encode(request.model))}
        if request.operation == "rerank":
            self._identity["id"] = Raw(_encode(request.response_id))
        self._format = AnswerFormat(request, key)
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Takes bytes.

        Raises:
            Unavailable: these are more than an answer may have.
        """
        self._body += data
        if len(self._body) > MAX_BYTES:
            raise self._format.unusable(str(TooLong("an answer", MAX_BYTES)))

    def end(self, seconds: float) -> Chunk:
        """The answer, once its bytes have ended; `seconds` is the duration of the request.

        Raises:
            BackendError: it is an error, or no answer.
        """
        fields = self._format.read(bytes(self._body), whole=True)
        if is_empty(fields.get(self._results)):
            raise self._format.unusable("what is not an answer")
        tally = Tally()
        tally.add(0, fields.get("usage"))
        for name in ("id", "created"):
            fields.pop(name, None)
        fields |= self._identity | {"usage": tally.as_json()}
        usage = tally.usage(seconds)
        data = _encode(fields)
        return Chunk(data, prompt_tokens=tally.prompt_tokens, usage=usage)
