"""What evidence is about, as fingerprints: of a model with its weights, and of what it is held
against."""

import hashlib

from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.spec import ModelSpec
from gateway.config import ShadowSection
from router.config import SelectionConfig
from router.selection.record import Version

_ANSWERS = {"model", "adapter", "domain", "engine", "engine_options", "system_prompt"}
"""The keys of a model that its answers depend on, or the requests that it gets."""
_DIGITS = 12


def version_of(
    specialist: ModelSpec, generalist: ModelSpec, shadow: ShadowSection, selection: SelectionConfig
) -> Version:
    """The version of a specialist, and of everything else that its evidence depends on.

    A model that changes behind an endpoint keeps its version: change its entry, its system prompt
    for instance, or leave it to the late alarm.
    """
    grading = shadow.grading_of(specialist.name)
    judge = shadow.judge if grading.by == "judge" else None
    return Version(
        specialist=_digest(_model(specialist)),
        baseline=_digest(
            _model(generalist),
            selection.model_dump_json(),
            grading.model_dump_json(exclude={"specialist"}),
            "" if judge is None else judge.model_dump_json(include={"base_url", "model"}),
        ),
    )


def _model(spec: ModelSpec) -> str:
    return f"{spec.model_dump_json(include=_ANSWERS)} {_weights(spec)}"


def _weights(spec: ModelSpec) -> str:
    """The checksum of an adapter's weights: they may change under the same name."""
    if spec.adapter is None:
        return ""
    try:
        return load_adapter(spec.adapter).sha256
    except ModelError:  # where it is served from says so; here it has a name only
        return ""


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_DIGITS]
