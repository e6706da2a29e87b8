"""The conformance suite on vLLM. `make test-vllm` runs it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deployments.engine import Engine
from deployments.spec import ModelSpec
from tests.deployments.engines.asking import NAME
from tests.deployments.engines.conformance import STALL_SECONDS, EngineConformance, Facts, Hang
from tests.deployments.engines.pool_conformance import PoolConformance, Shared
from tests.deployments.engines.running import once, running, sharing, stopped
from tests.deployments.tiny_lora import save_lora

pytest.importorskip("vllm", reason="vllm is not installed here; `make test-vllm` runs this")
pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTEXT = 256
VLLM_OPTIONS = {
    "max_model_len": CONTEXT,
    "enable_chunked_prefill": False,  # on a CPU, part of a prompt with a seed ends the engine
    "max_num_seqs": 8,
    "dtype": "float32",
    "enforce_eager": True,
}


@once
async def vllm_engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    from tests.deployments.tiny_model import save_tiny_model

    model = save_tiny_model(tmp_path_factory.mktemp("tiny"), width=64, hides_unknown=False)
    options = VLLM_OPTIONS | {"stall_seconds": STALL_SECONDS}
    spec = ModelSpec(name=NAME, model=str(model), engine="vllm", engine_options=options)
    async with running(Path("unused"), spec) as engine:
        yield engine


@once
async def shared_vllm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    from tests.deployments.tiny_model import save_tiny_model

    folder = tmp_path_factory.mktemp("tiny")
    model = save_tiny_model(folder / "base", width=64, hides_unknown=False)
    adapters = {
        "base": None,
        "first": str(save_lora(folder / "first", model, seed=1, width=64)),
        "second": str(save_lora(folder / "second", model, seed=2, width=64)),
    }
    specs = [
        ModelSpec(
            name=name,
            model=str(model),
            adapter=adapter,
            engine="vllm",
            system_prompt="do it.",
            engine_options=VLLM_OPTIONS,
        )
        for name, adapter in adapters.items()
    ]
    async with sharing(folder, *specs) as shared:
        yield shared


class TestVllm(EngineConformance):
    """vLLM, on a model of random weights; on a CPU by a build for it."""

    @pytest.fixture
    def engine(self, vllm_engine: Engine) -> Engine:
        return vllm_engine

    @pytest.fixture
    def facts(self) -> Facts:
        return Facts(
            context_tokens=CONTEXT,
            control_token="<end>",
            slots=8,
            reads_in_parts=False,
        )

    @pytest.fixture
    def hang(self, vllm_engine: Any) -> Hang:
        cores = vllm_engine._loaded.server._engine.engine_core.resources.engine_manager.processes
        return lambda: stopped(cores[0].pid)


class TestSharedVllm(PoolConformance):
    """A base and two adapters in one process of vLLM."""

    @pytest.fixture
    def shared(self, shared_vllm: Shared) -> Shared:
        return shared_vllm
