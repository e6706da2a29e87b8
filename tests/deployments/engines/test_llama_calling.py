"""Chat templates with a form of their own for calls: a call is never answered as text."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.engines._llama_calling import calling_in
from deployments.engines._llama_errors import Refused
from deployments.spec import ModelSpec
from deployments.tagged_calls import Calling
from tests.deployments.engines.running import running
from tests.deployments.tiny_gguf import save_speaking_gguf, save_tiny_gguf
from tests.model_requests import chat, objects, text_of

OPTIONS = {"parallel_requests": 1, "max_context_tokens": 1024}
TOOL = {
    "type": "function",
    "function": {
        "name": "find",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "required": ["a"],
        },
    },
}


@dataclass(frozen=True)
class Form:
    """A chat template, what a model of it says to call `find`, and how its prompt ends."""

    template: str
    said: tuple[str, ...]
    after: str = "\n"


LLAMA = Form(
    """{%- if tools is not none %}Respond in the format {"name": function name, "parameters": \
dictionary of argument name and its value}.{%- for t in tools %}{{ t | tojson }}{%- endfor %}\
{%- endif %}{%- for m in messages %}{%- if 'tool_calls' in m %}\
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "' + m.tool_calls[0].function.name \
+ '", "parameters": ' }}{{- m.tool_calls[0].function.arguments | tojson }}{{- '}<|eot_id|>' }}\
{%- else %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content \
+ '<|eot_id|>' }}{%- endif %}{%- endfor %}\
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}\
{%- endif %}""",
    ('{"name": "find", "parameters": {"a": 1}}',),
)
MISTRAL = Form(
    """{%- if tools %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}\
{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]\
{% elif m.role == 'tool' %}[TOOL_RESULTS] {"content": {{ m.content }}, "call_id": \
"{{ m.tool_call_id }}"}[/TOOL_RESULTS]{% elif m.tool_calls %}[TOOL_CALLS] [\
{% for c in m.tool_calls %}{"name": "{{ c.function.name }}", "arguments": \
{{ c.function.arguments | tojson }}, "id": "{{ c.id }}"}{% endfor %}]</s>\
{% else %}{{ m.content }}</s>{% endif %}{% endfor %}""",
    ("[TOOL_CALLS]", ' [{"name": "find", "arguments": {"a": 1}, "id": "123456789"}]'),
    "]",
)
CODER = Form(
    """{%- if tools %}<|im_start|>system\n<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}\
</tools>\n<tool_call>\n<function=name>\n<parameter=name>\nvalue\n</parameter>\n</function>\n\
</tool_call><|im_end|>\n{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n\
{{ m.content or '' }}{% for c in m.tool_calls or [] %}<tool_call>\n\
<function={{ c.function.name }}>\n{% for k, v in c.function.arguments | items %}\
<parameter={{ k }}>\n{{ v }}\n</parameter>\n{% endfor %}</function>\n</tool_call>{% endfor %}\
<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}""",
    (
        "<tool_call>",
        "\n<function=find>\n<parameter=a>\n1\n</parameter>\n</function>\n",
        "</tool_call>",
    ),
)
HARMONY = Form(
    """{%- if tools %}<|start|>developer<|message|># Tools\nnamespace functions {\n\
{% for t in tools %}type {{ t.function.name }} = (_: {{ t.function.parameters | tojson }}) => any;\
\n{% endfor %}}<|end|>{% endif %}{% for m in messages %}{% if m.tool_calls %}<|start|>assistant to=\
functions.{{ m.tool_calls[0].function.name }}<|channel|>commentary json<|message|>\
{{ m.tool_calls[0].function.arguments | tojson }}<|call|>{% elif m.role == 'assistant' %}<|start|>\
assistant<|channel|>final<|message|>{{ m.content }}<|end|>{% else %}<|start|>{{ m.role }}\
<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>\
assistant{% endif %}""",
    ("<|channel|>commentary to=functions.find json<|message|>", '{"a": 1}'),
    "t",
)
UNKNOWN = Form(
    """{% if tools %}{{ tools | tojson }}\nWrite CALL name(arguments).\n{% endif %}\
{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:\n""",
    ('CALL find({"a": 1})',),
)


def spec(model: Path, **options: Any) -> ModelSpec:
    return ModelSpec(
        name="tiny", model=str(model), engine="llama", engine_options=OPTIONS | options
    )


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(LLAMA, id="Llama"),
        pytest.param(MISTRAL, id="Mistral"),
        pytest.param(CODER, id="Qwen coder"),
        pytest.param(HARMONY, id="gpt-oss"),
    ],
)
async def test_a_call_in_a_form_that_llama_knows_is_one(tmp_path: Path, form: Form) -> None:
    """Whole and streamed."""
    model = save_speaking_gguf(
        tmp_path / "m.gguf", form.said, form.after, chat_template=form.template, context=1024
    )
    asked = chat("go", "tiny", tools=[TOOL], temperature=0, max_tokens=50)
    async with running(tmp_path, spec(model)) as engine:
        whole = await engine.complete(asked)
        chunks = [chunk async for chunk in engine.stream(asked)]

    message = objects([whole])[0]["choices"][0]["message"]
    [called] = [call["function"] for call in message["tool_calls"]]
    assert (called["name"], json.loads(called["arguments"])) == ("find", {"a": 1})
    assert not message["content"]
    assert not text_of(chunks)
    assert whole.finish_reasons == chunks[-1].finish_reasons == ((0, "tool_calls"),)


async def test_an_unknown_form_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is told to call in a form that is read; the log says so."""
    model = save_speaking_gguf(
        tmp_path / "m.gguf", UNKNOWN.said, chat_template=UNKNOWN.template, context=1024
    )
    asked = chat("go", "tiny", tools=[TOOL], tool_choice="required", temperature=0, max_tokens=60)
    with caplog.at_level(logging.WARNING, "deployments.engines.llama"):
        async with running(tmp_path, spec(model)) as engine:
            [answer] = objects([await engine.complete(asked)])

    message = answer["choices"][0]["message"]
    assert not message["content"]
    assert message["tool_calls"][0]["function"]["name"] == "find"
    assert [record.fields for record in caplog.records] == [{"file": str(model)}]  # type: ignore[attr-defined]


async def test_how_a_model_calls_can_be_said(tmp_path: Path) -> None:
    """The template is not asked then."""
    model = save_tiny_gguf(tmp_path / "m.gguf", chat_template=UNKNOWN.template, context=1024)
    asked = chat("go", "tiny", tools=[TOOL], tool_choice="required", temperature=0, max_tokens=60)
    async with running(tmp_path, spec(model, tool_calls="native")) as engine:
        [answer] = objects([await engine.complete(asked)])

    assert answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("template", "end_token", "finish_reason", "calling"),
    [
        pytest.param("{{ messages }}", 2, None, "prompted", id="no functions"),
        pytest.param('{{ tools }}<tool_call>\n{"arguments": a}', 2, None, "tags", id="tags"),
        pytest.param("{{ tools }}", 2, "length", "native", id="held to a call"),
        pytest.param("{{ tools }}", 2, "stop", "prompted", id="free to end"),
        pytest.param("{{ tools }}", None, "length", "prompted", id="no known end"),
    ],
)
def test_the_template_or_the_server_tells(
    template: str, end_token: int | None, finish_reason: str | None, calling: Calling
) -> None:
    """The server is asked only where the form is the template's own."""
    asked = []

    def answer(body: bytes) -> list[bytes]:
        asked.append(json.loads(body))
        return [json.dumps({"choices": [{"finish_reason": finish_reason}]}).encode()]

    assert calling_in(Path("m"), template, end_token, answer) == calling
    assert bool(asked) == (finish_reason is not None and end_token is not None)


def test_a_template_that_the_server_refuses_is_not_used() -> None:
    """As with a grammar that does not go with it."""

    def refuse(_body: bytes) -> list[bytes]:
        raise Refused("no samplers")

    def answer_an_error(_body: bytes) -> list[bytes]:
        return [b'{"error": {"message": "no samplers"}}']

    assert calling_in(Path("m"), "{{ tools }}", 2, refuse) == "prompted"
    assert calling_in(Path("m"), "{{ tools }}", 2, answer_an_error) == "prompted"
