"""What a request may need that not every model can do.

A model can what its engine can, unless `capabilities` of niche.yaml says it: only the operator
knows whether the weights see images, or what a server behind `engine: openai` serves. An adapter
was trained for a task of its own, so a model with one calls no tools unless that is written; but
those that it learned to call, by its card, it calls in the requests that have no others.
"""

from collections.abc import Mapping

from deployments.capability import Capability
from deployments.learned_calls import LearnedCalls
from deployments.models.adapters import learned_calls
from deployments.spec import ModelSpec

_C = Capability
_OF_ENGINES: Mapping[str, frozenset[Capability]] = {
    "fake": frozenset({_C.TOOLS, _C.JSON_SCHEMA, _C.LOGPROBS}),
    "llama": frozenset({_C.TOOLS, _C.JSON_SCHEMA, _C.LOGPROBS, _C.LOGIT_BIAS}),
    "openai": frozenset(Capability),
    "vllm": frozenset({_C.TOOLS, _C.JSON_SCHEMA, _C.LOGPROBS, _C.LOGIT_BIAS}),
}
"""Here, because a configuration is read without importing engines."""

_DESCRIBE_FUNCTIONS = frozenset({"fake", "llama"})
"""The engines that describe functions to a model as in its training."""


def takes_hint(spec: ModelSpec, hint: str) -> bool:
    """Whether a model gets a parameter that only says how its answer may be made. Engine `openai`
    passes on all of them, since the server behind it may know any."""
    return spec.engine == "openai" or (spec.engine, hint) == ("vllm", "reasoning_effort")


def capabilities_of(spec: ModelSpec) -> frozenset[Capability]:
    """What a model can."""
    if spec.capabilities is not None:
        return spec.capabilities
    if spec.kind != "generation":
        return frozenset()
    able = _OF_ENGINES[spec.engine]
    return able if spec.adapter is None else able - {_C.TOOLS, _C.IMAGES}


def learned_calls_of(spec: ModelSpec) -> LearnedCalls | None:
    """The calls that a model learned, beyond what it can; None: none are known."""
    if spec.adapter is None or spec.capabilities is not None:
        return None
    return learned_calls(spec.adapter) if spec.engine in _DESCRIBE_FUNCTIONS else None
