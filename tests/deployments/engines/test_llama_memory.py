"""The memory that models need is looked at before they are loaded, and its lack is an error."""

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.engines._llama_memory import available_bytes, check_memory
from deployments.engines._llama_options import LlamaOptions
from deployments.models.errors import ModelError
from deployments.models.gguf_file import TOKENS, read_header
from tests.deployments.tiny_gguf import HEAD, KV_HEADS, save_tiny_gguf, vocabulary

LARGE = LlamaOptions(parallel_requests=200, max_context_tokens=1_000_000)
CACHE = 200 * 1_000_000 * 2 * KV_HEADS * 2 * HEAD * 2
"""Bytes: slots, tokens, layers, heads, keys and values, two bytes each."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def test_models_that_fit_are_loaded(model):
    """The cache is what the options say, and beside it there is some work."""
    base = read_header(model)
    check_memory(base, [], LARGE, CACHE + model.stat().st_size + 200_000_000)
    with pytest.raises(ModelError):
        check_memory(base, [], LARGE, CACHE + model.stat().st_size)


def test_the_error_names_what_is_large_and_the_keys(model):
    """And the remedy."""
    with pytest.raises(ModelError) as refused:
        check_memory(read_header(model), [model] * 3, LARGE, 10**9)
    said = str(refused.value)
    for word in ("tiny.gguf", "25.6 GB", "parallel_requests 200", "max_context_tokens 1000000"):
        assert word in said
    assert "lower" in said


def test_a_smaller_cache_needs_less(model):
    """At eight bits about half."""
    small = LARGE.model_copy(update={"kv_cache_type": "q8_0"})
    base, there = read_header(model), round(0.6 * CACHE)
    check_memory(base, [], small, there)
    with pytest.raises(ModelError):
        check_memory(base, [], LARGE, there)


def test_vectors_need_room_for_a_score_of_each_word(model):
    """For each token of a pass, which holds a whole input."""
    base = read_header(model, {TOKENS})
    scores = 4 * len(vocabulary()) * LARGE.max_context_tokens
    beside = CACHE + model.stat().st_size + 200_000_000
    check_memory(base, [], LARGE, beside)
    check_memory(base, [], LARGE, beside + scores, whole_inputs=True)
    with pytest.raises(ModelError):
        check_memory(base, [], LARGE, beside + scores // 2, whole_inputs=True)


@pytest.fixture
def cgroup(tmp_path: Path) -> Path:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 60000\nactive_file 40000\n")
    return tmp_path


def test_a_containers_limit_counts(cgroup):
    """Less what is used, but for pages of files that can be dropped."""
    assert available_bytes(cgroup) == 950_000 - 700_000 + 100_000


def test_an_older_containers_limit_counts(tmp_path):
    """Its files have other names."""
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("1000")
    (folder / "memory.usage_in_bytes").write_text("1200")
    (folder / "memory.stat").write_text("total_inactive_file 0\n")
    assert available_bytes(tmp_path) == 0


def test_without_a_limit_the_machine_counts(cgroup):
    """`max` is no number."""
    (cgroup / "memory.max").write_text("max\n")
    assert available_bytes(cgroup) > 10**8


def test_all_files_of_a_model_count(model, tmp_path):
    """The first one's name says how many there are."""
    for number in (1, 2, 3):
        (tmp_path / f"m-0000{number}-of-00003.gguf").write_bytes(model.read_bytes())
    base, one = read_header(tmp_path / "m-00001-of-00003.gguf"), model.stat().st_size
    small = LlamaOptions(parallel_requests=1, max_context_tokens=16)
    there = 100_000_000 + 2 * one
    check_memory(read_header(model), [], small, there)
    with pytest.raises(ModelError):
        check_memory(base, [], small, there)


TOO_LARGE = """
import asyncio, re, resource, sys
from pathlib import Path
from deployments.engine import EngineContext
from deployments.engines.llama import LlamaEngine
from deployments.models.errors import ModelError
from deployments.spec import ModelSpec
from tests.model_requests import chat

def engine(**options):
    spec = ModelSpec(name="tiny", model=sys.argv[1], engine="llama", engine_options=options)
    return LlamaEngine({"tiny": spec}, EngineContext(Path("unused")))

async def main():
    taken = int(re.search(r"VmSize:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (taken + 500_000_000, resource.RLIM_INFINITY))
    try:
        await engine(parallel_requests=4, max_context_tokens=1_000_000).start()
    except ModelError as error:
        print(error)
    smaller = engine(parallel_requests=1, max_context_tokens=256)
    await smaller.start()
    print((await smaller.complete(chat(max_tokens=3))).finish_reasons)
    await smaller.stop()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="others limit no memory of a process")
def test_memory_that_is_not_there_is_an_error(tmp_path):
    """Of a model whose cache cannot be foreseen; the process lives, and loads a smaller one."""
    metadata = {"llama__attention__sliding_window": 64, "context": 1_000_000}
    model = save_tiny_gguf(tmp_path / "tiny.gguf", **metadata)
    command = [sys.executable, "-c", TOO_LARGE, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    error, answered = done.stdout.splitlines()

    assert "tiny.gguf" in error
    assert "engine_options.parallel_requests" in error
    assert answered == "((0, 'length'),)"
