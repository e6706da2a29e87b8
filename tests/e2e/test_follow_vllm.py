"""A running vLLM takes in an adapter and lets one go. `make test-vllm` runs it."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from deployments.models.adapters import ADAPTERS, CONFIG
from tests.e2e.conftest import Stack, running
from tests.e2e.samples import BEGINNINGS
from tests.e2e.test_follow import body, under_load

pytest.importorskip("vllm", reason="vllm is not installed here; `make test-vllm` runs this")
pytestmark = [pytest.mark.serve, pytest.mark.slow]

BASE: dict[str, Any] = {
    "model": "smollm2-135m-instruct",
    "engine": "vllm",
    "engine_options": {
        "default_temperature": 0,
        "max_model_len": 1024,
        "max_num_seqs": 8,
        "dtype": "bfloat16",
        "enforce_eager": True,
    },
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("follow") / "niche.yaml"


@pytest.fixture(scope="module")
def stack(file: Path) -> Iterator[Stack]:
    write(file, "sql", "tools")
    with running(file) as stack:
        yield stack


@pytest.fixture(autouse=True)
def _as_at_the_start(stack: Stack, file: Path) -> None:
    write(file, "sql", "tools")
    assert stack.follow() == ["generalist", "sql", "tools"]


def write(file: Path, *names: str, **others: Path) -> None:
    """A stack of specialists with the adapters of their names, and of others by their adapters."""
    adapters = {name: name for name in names} | {name: str(of) for name, of in others.items()}
    config = {
        "generalist": {"name": "generalist", "model": "none", "engine": "fake"},
        "specialists": [
            BASE | {"name": name, "domain": name, "adapter": adapter}
            for name, adapter in adapters.items()
        ],
    }
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def said(stack: Stack, name: str) -> str:
    asked = body(name) | {"model": name, "max_tokens": 32}
    answer = httpx.post(f"{stack.url}/v1/chat/completions", json=asked, timeout=60)
    return str(answer.json()["choices"][0]["message"]["content"])


def engines(stack: Stack) -> set[int]:
    """The processes of vLLM's engines."""
    children = psutil.Process(stack.pid).children(recursive=True)
    return {child.pid for child in children if "EngineCore" in " ".join(child.cmdline())}


def test_adapters_come_and_go_in_one_process(stack: Stack, file: Path) -> None:
    """Without a failed request, and without another process, which would take a minute."""
    before = engines(stack)
    assert len(before) == 1
    for names in (("sql", "tools", "math"), ("sql", "tools", "math", "support"), ("sql", "tools")):
        write(file, *names)
        models, answers = asyncio.run(under_load(stack, stack.follow))

        assert models == ["generalist", *names]
        assert set(answers) == {"sql", "tools"}
        assert all(said(stack, name).startswith(BEGINNINGS[name]) for name in names)
        assert engines(stack) == before


def test_an_adapter_that_does_not_fit_leaves_all_as_it_was(
    stack: Stack, file: Path, tmp_path: Path
) -> None:
    """Nothing is loaded, and the process stays."""
    before = engines(stack)
    large = shutil.copytree(ADAPTERS / "math", tmp_path / "large")
    config = json.loads((large / CONFIG).read_text(encoding="utf-8"))
    (large / CONFIG).write_text(json.dumps(config | {"r": 64}), encoding="utf-8")
    write(file, "sql", "tools", math=large)

    assert stack.follow() == ["generalist", "sql", "tools"]
    assert said(stack, "sql").startswith(BEGINNINGS["sql"])
    assert engines(stack) == before
