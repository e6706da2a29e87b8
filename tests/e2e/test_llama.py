"""The llama engine on the default model and its shipped adapters: needs the model files."""

import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import xllamacpp
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from deployments.control_tokens import ControlTokens
from deployments.engine import EngineContext
from deployments.engines._llama_options import LlamaOptions
from deployments.engines._llama_requests import ServedModel, read_request
from deployments.engines._llama_server import server_parameters
from deployments.engines.llama import LlamaEngine
from deployments.models.cache import cache_dir
from deployments.models.resolve import resolve
from deployments.models.resolve_gguf import resolve_gguf
from deployments.spec import ModelSpec
from lab.specialists.niche import Example
from lab.specialists.registry import NICHES
from lab.specialists.training.batches import encode
from tests.e2e.samples import BEGINNINGS
from tests.model_requests import chat, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")  # one engine serves the module's tests

MODEL = "smollm2-135m-instruct"
CACHE = cache_dir(os.environ)
USER, BOT = {"role": "user", "content": "Why is the sky blue?"}, {"role": "assistant"}
CONVERSATIONS = [
    pytest.param([USER], id="a question"),
    pytest.param([{"role": "system", "content": "Be brief."}, USER], id="a system prompt"),
    pytest.param([USER, BOT | {"content": " It  scatters.\n"}, USER], id="several turns"),
    pytest.param([USER, BOT | {"content": "It"}], id="an answer at the end"),
    pytest.param(
        [{"role": "user", "content": "Grüße, 世界 🙂\t\u200b\r\n  1234 don't"}], id="Unicode"
    ),
    pytest.param([{"role": "user", "content": ""}], id="an empty message"),
    pytest.param([{"role": "user", "content": "a < b | c > d <|im_ start|>"}], id="half a token"),
]


class RawServer:
    """llama.cpp's server as the engine starts it, with its listener."""

    def __init__(self, listener: Path) -> None:
        options = LlamaOptions(parallel_requests=1, max_context_tokens=512)
        params = server_parameters(resolve_gguf(MODEL, CACHE), [], options, 1, listener)
        self._server = xllamacpp.Server(params)
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(listener)),
            base_url="http://llama",
            headers={"Authorization": f"Bearer {params.api_keys[0]}"},
        )

    def ids(self, messages: list[dict[str, Any]]) -> list[int]:
        """The tokens of a conversation, up to where the answer begins."""
        prompt = self._post("/apply-template", {"messages": messages})["prompt"]
        body = {"content": prompt, "add_special": True, "parse_special": True}
        return list(self._post("/tokenize", body)["tokens"])

    def close(self) -> None:
        self._client.close()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.post(path, json=body).raise_for_status().json()
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawServer]:
    server = RawServer(tmp_path_factory.mktemp("llama") / "a.sock")
    yield server
    server.close()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    tokenizer = AutoTokenizer.from_pretrained(resolve(MODEL, CACHE))
    # As the hub's tokenizer.json says; transformers' reader of GGUF files drops the first of them.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return tokenizer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LlamaEngine]:
    specs = {
        name: ModelSpec(
            name=name,
            model=MODEL,
            adapter=None if name == "generalist" else name,
            engine="llama",
            engine_options={"max_context_tokens": 512, "default_temperature": 0},
        )
        for name in ("generalist", *BEGINNINGS)
    }
    engine = LlamaEngine(specs, EngineContext(CACHE))
    await engine.start()
    yield engine
    await engine.stop()


@pytest.mark.parametrize("messages", CONVERSATIONS)
async def test_the_chat_template_gives_the_tokenizers_ids(
    server: RawServer, tokenizer: Any, messages: list[dict[str, Any]]
) -> None:
    """llama.cpp renders and splits a conversation as the checkpoint's own tokenizer does."""
    wanted = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )

    assert server.ids(messages) == list(wanted)


async def test_training_reads_the_tokens_that_serving_sends(
    server: RawServer, engine: LlamaEngine, tokenizer: Any
) -> None:
    """With the system prompt of the specialist, and the functions that a request describes."""
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in ("set_alarm", "flip_coin")
    ]
    example = Example("wake me at 6:30", "-", tools=json.dumps(tools))
    tools_prompt = NICHES["tools"].system_prompt
    (learnt,) = encode([example], tokenizer, tools_prompt, 1000)

    messages = [{"role": "user", "content": example.prompt}]
    request = chat(model="tools", messages=messages, tools=tools, max_tokens=1)
    model = ServedModel(LlamaOptions(), system_prompt=tools_prompt, calling="prompted")
    body = json.loads(read_request(request, model, ControlTokens(())).bodies[0])
    assert server.ids(body["messages"]) == list(learnt.ids[: learnt.answer_start])
    answer = await engine.complete(request)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == learnt.answer_start


@pytest.mark.parametrize("messages", CONVERSATIONS)
async def test_the_engine_reads_the_tokenizers_ids(
    engine: LlamaEngine, tokenizer: Any, messages: list[dict[str, Any]]
) -> None:
    """As many as there are, nothing before or between them."""
    answer = await engine.complete(chat(model="generalist", messages=messages, max_tokens=1))
    wanted = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )

    assert answer.usage is not None
    assert answer.usage.prompt_tokens == len(wanted)


@pytest.mark.parametrize(("name", "wanted"), BEGINNINGS.items())
async def test_each_adapter_answers_its_sample(engine: LlamaEngine, name: str, wanted: str) -> None:
    """One process holds them all, and each request gets its own."""
    answer = await engine.complete(chat(NICHES[name].sample, name, max_tokens=64))

    assert text_of([answer]).startswith(wanted)
