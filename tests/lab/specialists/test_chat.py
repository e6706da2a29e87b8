"""A chat as training reads it is the one that serving sends."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from deployments.control_tokens import ControlTokens
from deployments.engines._llama_options import LlamaOptions
from deployments.engines._llama_requests import ServedModel, read_request
from deployments.tagged_calls import calling_of
from lab.specialists.chat import chat_text
from tests.deployments.tiny_model import save_tiny_model
from tests.model_requests import chat

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("wake", "sleep")
]
KNOWS_TOOLS = (
    "{% if tools %}<tool_call>{% for tool in tools %}{{ tool | tojson }}{% endfor %}"
    "{# arguments #}{% endif %}{% for message in messages %}{{ message['content'] }}{% endfor %}"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return AutoTokenizer.from_pretrained(folder)


def rendered_body(tokenizer: Any, messages: list[dict[str, Any]], tools: list[Any]) -> str:
    """What the engine's request renders to, by the same template."""
    calling = calling_of(tokenizer.chat_template)
    model = ServedModel(LlamaOptions(), system_prompt="be brief", calling=calling)
    asked = read_request(chat(messages=messages, tools=tools), model, ControlTokens(()))
    body = json.loads(asked.bodies[0])
    text: str = tokenizer.apply_chat_template(
        body["messages"], tools=body.get("tools"), tokenize=False, add_generation_prompt=True
    )
    return text


@pytest.mark.parametrize("tools", [[], TOOLS], ids=["none", "two"])
@pytest.mark.parametrize("template", [None, KNOWS_TOOLS], ids=["prompted", "its own tags"])
@pytest.mark.parametrize("system", ["be brief", "be kind"])
def test_training_reads_what_serving_sends(tokenizer, system, template, tools) -> None:
    """With the specialist's system prompt, which the engine adds, or a client's own; by a template
    that knows functions, or without."""
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.chat_template = template or tokenizer.chat_template
    user = {"role": "user", "content": "wake me"}
    own = {"role": "system", "content": system}
    sent = [user] if system == "be brief" else [own, user]

    learnt = chat_text(tokenizer, [own, user], tools)

    assert learnt == rendered_body(tokenizer, sent, tools)
    assert ("wake" in learnt.replace("wake me", "")) == bool(tools)
