"""The names of vLLM's options, which are looked at before vLLM is."""

from pathlib import Path

import pytest

from deployments.engine import EngineContext, create_engine
from deployments.engines._vllm_options import vllm_options
from deployments.spec import ModelSpec

CONTEXT = EngineContext(Path("unused"))


def spec(**options: object) -> ModelSpec:
    return ModelSpec(name="tiny", model="org/model", engine="vllm", engine_options=options)


@pytest.mark.parametrize(
    "name", ["served-model-name", "pipeline-parallel-size", "default-temperature"]
)
def test_a_name_with_hyphens_is_refused(name: str) -> None:
    """Else what is refused, or counted, by its name with underscores would pass; the error has
    it."""
    with pytest.raises(ValueError, match=rf"engine_options\.{name}: .*{name.replace('-', '_')}"):
        create_engine([spec(**{name: 2})], CONTEXT)


def test_values_may_have_hyphens() -> None:
    """Only names are looked at."""
    options = {"tool_call_parser": "a-b", "default_temperature": 0.5}

    assert vllm_options(spec(**options)).arguments == {"tool_call_parser": "a-b"}
