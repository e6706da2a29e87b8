"""Reads a server's answer to a request for embeddings, or for a ranking. Without I/O.

Its `model` becomes the request's, and everything else arrives unchanged, but for its identity:
OpenAI's embeddings have none, and a ranking gets ours. A vector that is written in another way than
was asked for, as by servers that do not know `encoding_format`, is written anew. Of each input
there must be a vector, all finite and of one length; a ranking has a score for each document that
it names, which it does once.
"""

import base64
import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from deployments.embeddings import EncodingFormat, written
from deployments.engines._openai_choices import is_empty
from deployments.engines._openai_events import MAX_BYTES, TooLong
from deployments.engines._openai_format import AnswerFormat
from deployments.engines._openai_usage import Bounds, Tally, most_prompt_tokens
from deployments.protocol import Chunk, ModelRequest, Operation

_encode = msgspec.json.encode
_RESULTS: Mapping[Operation, str] = {"embedding": "data", "rerank": "results"}

_TYPES: Mapping[EncodingFormat, type] = {"float": list, "base64": str}


class _Asked(Struct):
    """What of a request says how its answer has to be; checked at the edge."""

    input: Any = None
    encoding_format: EncodingFormat | None = None
    dimensions: Any = None
    query: Any = ""
    documents: Any = ()
    top_n: Any = None

    @property
    def inputs(self) -> int:
        """How many vectors there must be: token ids are one input, a list of lists several."""
        several = isinstance(self.input, list) and not all(type(one) is int for one in self.input)
        return len(self.input) if several else 1

    @property
    def fewest(self) -> int:
        """How many documents a ranking must have at least."""
        return min(self.top_n or len(self.documents), len(self.documents))


class _Vector(Struct):
    embedding: list[float] | str
    index: int | None = None


class _Rank(Struct):
    index: int
    relevance_score: float


_vectors = msgspec.json.Decoder(list[_Vector]).decode
_ranks = msgspec.json.Decoder(list[_Rank]).decode
_items = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_asked = msgspec.json.Decoder(_Asked).decode


class InputsAnswer:
    """Reads one answer, which ends with its bytes.

    Args:
        request: what is answered.
        key: what no error may show.
    """

    done = finished = False

    def __init__(self, request: ModelRequest, key: str | None = None) -> None:
        self._request = request
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
        results = fields.get(self._results)
        if results is None or is_empty(results):
            raise self._format.unusable("what is not an answer")
        asked = _asked(self._request.body)
        try:
            fields[self._results] = self._checked(asked, results)
        except (ValueError, OverflowError) as error:
            raise self._format.unusable(f"what is not an answer: {error}") from error
        pairs = len(asked.documents) * len(str(asked.query).encode())
        tally = Tally(Bounds(most_prompt_tokens(self._request.body) + pairs, 0))
        tally.add(0, fields.get("usage"))
        for name in ("id", "created"):
            fields.pop(name, None)
        fields |= self._identity | {"usage": tally.as_json()}
        usage = tally.usage(seconds)
        data = _encode(fields)
        return Chunk(data, prompt_tokens=tally.prompt_tokens, usage=usage)

    def _checked(self, asked: _Asked, results: Raw) -> Raw:
        """The results, with vectors as they were asked for; raises `ValueError` if they do not
        answer the request, and `OverflowError` if a number has no room in base64."""
        if self._request.operation == "rerank":
            ranks = _ranks(results)
            _check_indices([rank.index for rank in ranks], len(asked.documents))
            _require(len(ranks) >= asked.fewest, f"{len(ranks)} results for {asked.fewest}")
            _require(_finite([rank.relevance_score for rank in ranks]), "an infinite score")
            return results
        vectors = _vectors(results)
        indices = (at if one.index is None else one.index for at, one in enumerate(vectors))
        _check_indices(list(indices), asked.inputs)
        _require(len(vectors) == asked.inputs, f"{len(vectors)} vectors for {asked.inputs}")
        numbers = [_numbers(one.embedding) for one in vectors]
        lengths = {len(vector) for vector in numbers}
        _require(len(lengths) == 1 and 0 not in lengths, "vectors of several lengths, or of none")
        wrong = isinstance(asked.dimensions, int) and lengths != {asked.dimensions}
        _require(not wrong, f"vectors of {lengths}, and not of {asked.dimensions}, numbers")
        _require(all(map(_finite, numbers)), "an infinite number in a vector")
        form = asked.encoding_format or "float"
        if all(isinstance(one.embedding, _TYPES[form]) for one in vectors):
            return results
        items = zip(_items(results), numbers, strict=True)
        return Raw(_encode([item | {"embedding": written(of, form)} for item, of in items]))


def _check_indices(indices: Sequence[int], count: int) -> None:
    once = len(set(indices)) == len(indices)
    _require(once and all(0 <= index < count for index in indices), "an index of nothing")


def _require(right: bool, fault: str) -> None:
    if not right:
        raise ValueError(fault)


def _numbers(vector: list[float] | str) -> Sequence[float]:
    """The numbers of a vector, also of one in base64."""
    if isinstance(vector, list):
        return vector
    return array("f", base64.b64decode(vector, validate=True)).tolist()


def _finite(numbers: Sequence[float]) -> bool:
    return math.isfinite(sum(numbers))
