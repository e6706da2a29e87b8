"""The options of the vllm engine, and whether vLLM is there. Without importing it."""

from importlib.util import find_spec
from typing import Any

from pydantic import ConfigDict, Field

from deployments.engine import parse_options
from deployments.engines._sampling_defaults import SamplingDefaults
from deployments.spec import ModelSpec


class VllmOptions(SamplingDefaults):
    """`engine_options` of the vllm engine: the `default_` ones, and any argument of `vllm serve`.
    Models that share a process may differ in the `default_` ones alone."""

    model_config = ConfigDict(frozen=True, extra="allow")

    stall_seconds: float = Field(
        default=120, gt=0, description="time without progress after which the engine is restarted"
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `vllm serve`, with underscores."""
        return dict(self.model_extra or {})


def vllm_options(spec: ModelSpec) -> VllmOptions:
    """The options of a model.

    Raises:
        ValueError: one line per wrong option. A name with hyphens is one: vLLM would take it, and
            whoever looks for an argument here would not find it.
    """
    options = parse_options(VllmOptions, spec)
    if hyphened := [key for key in options.arguments if "-" in key]:
        raise ValueError(
            "\n".join(
                f"engine_options.{key}: names have underscores here; write {key.replace('-', '_')}"
                for key in hyphened
            )
        )
    return options


def missing() -> str | None:
    """What this environment lacks; None: nothing that is known."""
    if find_spec("vllm") is None:
        return "the package vllm is not installed; install niche-gateway[vllm]"
    return None
