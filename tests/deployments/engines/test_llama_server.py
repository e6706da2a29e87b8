"""llama.cpp's server in this process: what it reads on, where it listens, and how it ends."""

import asyncio
import re
from contextlib import aclosing
from pathlib import Path
from statistics import median

import psutil
import pytest

from deployments.control_tokens import ControlTokens
from deployments.deadline import within_deadline
from deployments.engines._llama_answers import ChoiceReader
from deployments.engines._llama_options import LlamaOptions
from deployments.engines._llama_requests import ServedModel, read_request
from deployments.engines._llama_server import LlamaServer
from deployments.protocol import ModelRequest
from tests.deployments.tiny_gguf import save_tiny_gguf
from tests.model_requests import chat

SMALL = LlamaOptions(parallel_requests=2, max_context_tokens=256, max_batch_tokens=32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


async def answer(server: LlamaServer, request: ModelRequest, pieces: int | None = None) -> int:
    """Reads an answer to its end, or leaves after so many pieces; returns how many there were."""
    asked = read_request(request, ServedModel(SMALL), ControlTokens(()))
    body, read, count = asked.bodies[0], ChoiceReader(request, asked).read, 0
    async with aclosing(server.answer(request, body, read, within_deadline(request))) as said:
        async for _ in said:
            count += 1
            if count == pieces:
                break
    return count


def batches(server: LlamaServer) -> int:
    """How many forward passes there were, as the server counts them."""
    metrics = server._server.handle_metrics()  # of which the engine needs none
    return int(re.findall(r"n_decode_total (\d+)", metrics)[0])


@pytest.mark.slow  # its batches are large, so that a busy machine has read no second one meanwhile
async def test_a_prompt_that_is_left_is_read_for_one_more_batch_at_most(tmp_path: Path) -> None:
    """The one that is being worked on."""
    model = save_tiny_gguf(tmp_path / "tiny.gguf", context=8192)
    options = LlamaOptions(parallel_requests=1, max_context_tokens=8192, max_batch_tokens=1024)
    server, further = LlamaServer(model, [], options, 1), []
    for _ in range(5):
        before = batches(server)
        await answer(server, chat("a" * 8000, max_tokens=1, seed=1), pieces=1)
        slot = await server._slots.take("tiny", "")  # when the call has left the server
        further.append(batches(server) - before - 1)
        server._slots.give_back("tiny", slot)
    await server.stop()

    assert median(further) <= 1  # of 7


async def test_more_requests_than_tokens_of_a_batch_are_answered(model: Path) -> None:
    """A forward pass has room for all of them."""
    options = LlamaOptions(parallel_requests=17, max_context_tokens=256, max_batch_tokens=16)
    server = LlamaServer(model, [], options, 1)
    answers = [answer(server, chat(max_tokens=9)) for _ in range(17)]

    assert all(await asyncio.gather(*answers))
    await server.stop()


async def test_a_server_may_stop_as_soon_as_it_runs(model: Path) -> None:
    """Before it was asked anything."""
    for _ in range(5):
        await LlamaServer(model, [], SMALL, 1).stop()


async def test_nobody_can_reach_the_servers_own_listener(model: Path) -> None:
    """It has no port, and its socket file is gone."""
    process = psutil.Process()
    ports = set(process.net_connections("inet"))
    server = LlamaServer(model, [], SMALL, 1)
    opened = set(process.net_connections("inet")) - ports
    files = [Path(str(at.laddr)) for at in process.net_connections("unix")]

    assert await answer(server, chat(max_tokens=1))
    assert [at for at in opened if at.status == psutil.CONN_LISTEN] == []
    assert [path for path in files if path.suffix == ".sock" and path.exists()] == []
    await server.stop()
