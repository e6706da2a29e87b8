"""What a request may need that not every model can do.

A model can what its engine can, unless `capabilities` of niche.yaml says it: only the operator
knows whether the weights see images, or what a server behind `engine: openai` serves. An adapter
was trained for a task of its own, so a model with one calls no tools unless that is written.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployments.spec import ModelSpec


class Capability(StrEnum):
    """A need of requests. A closed set; the values are published in niche.yaml and `/v1/models`."""

    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    IMAGES = "images"
    LOGPROBS = "logprobs"
    LOGIT_BIAS = "logit_bias"


_C = Capability
_OF_ENGINES: Mapping[str, frozenset[Capability]] = {
    "fake": frozenset({_C.TOOLS, _C.JSON_SCHEMA, _C.LOGPROBS}),
    "llama": frozenset({_C.TOOLS, _C.JSON_SCHEMA, _C.LOGPROBS, _C.LOGIT_BIAS}),
    "openai": frozenset(Capability),
    "vllm": frozenset({_C.TOOLS, _C.JSON_SCHEMA, _C.LOGPROBS, _C.LOGIT_BIAS}),
}
"""Here, because a configuration is read without importing engines."""


def takes_hint(spec: "ModelSpec", hint: str) -> bool:
    """Whether a model gets a parameter that only says how its answer may be made. Engine `openai`
    passes on all of them, since the server behind it may know any."""
    return spec.engine == "openai" or (spec.engine, hint) == ("vllm", "reasoning_effort")


def capabilities_of(spec: "ModelSpec") -> frozenset[Capability]:
    """What a model can."""
    if spec.capabilities is not None:
        return spec.capabilities
    if spec.kind == "embedding":
        return frozenset()
    able = _OF_ENGINES[spec.engine]
    return able if spec.adapter is None else able - {_C.TOOLS, _C.IMAGES}
