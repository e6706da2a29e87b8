"""The clients: what each is called, which version it has, and how its scenarios run."""

import json
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path("tests/clients")
NODE = Path("work/clients/node/node_modules/.bin/node")
_OPENAI = f"openai {version('openai')}"

_PYTEST = ("-m", "pytest", "-q", "--tb=short", "--junitxml={report}", "--timeout=120")
_ELSEWHERE = (
    "-c",
    os.devnull,
    "--rootdir",
    str(HERE),
    "--confcutdir",
    str(HERE),
    "-o",
    "asyncio_mode=auto",
)
"""Of this repository's settings for pytest none apply in another environment."""


@dataclass(frozen=True)
class Client:
    """A column of the page.

    Attributes:
        name: as people call it.
        package: what was installed, and its version.
        command: runs the scenarios in the root folder, and writes a report in JUnit's format to
            `{report}`.
    """

    name: str
    package: str
    command: tuple[str, ...]


def _python(name: str, environment: str) -> Client:
    """A client in an environment of its own, which the first line of its file names."""
    pinned = (ROOT / HERE / "environments" / f"{environment}.txt").read_text(encoding="utf-8")
    python = f"work/clients/{environment}/bin/python"
    command = (python, *_PYTEST, *_ELSEWHERE, str(HERE / f"{environment}_client.py"))
    return Client(name, pinned.partition("\n")[0].replace("==", " "), command)


def _here(file: str) -> tuple[str, ...]:
    """The scenarios of a file, in the environment of this process."""
    return (sys.executable, *_PYTEST, "-p", "no:randomly", str(HERE / file))


def _of_npm(package: str) -> str:
    pinned = json.loads((ROOT / HERE / "environments" / "package.json").read_text(encoding="utf-8"))
    return f"{package} {pinned['dependencies'][package]}"


CLIENTS = (
    Client("openai, chat", _OPENAI, _here("test_openai.py")),
    Client("openai, Responses", _OPENAI, _here("test_openai_responses.py")),
    _python("Agents SDK", "agents"),
    _python("LangChain", "langchain"),
    _python("LlamaIndex", "llama_index"),
    _python("Pydantic AI", "pydantic_ai"),
    _python("LiteLLM", "litellm"),
    _python("anthropic", "anthropic"),
    Client(
        "AI SDK",
        _of_npm("ai"),
        (
            str(NODE),
            "--test",
            "--test-reporter=junit",
            "--test-reporter-destination={report}",
            "--test-reporter=spec",
            "--test-reporter-destination=stdout",
            str(HERE / "ai_sdk.test.mjs"),
        ),
    ),
    Client("Codex", _of_npm("@openai/codex"), _here("codex_client.py")),
    Client("Claude Code", _of_npm("@anthropic-ai/claude-code"), _here("claude_code_client.py")),
)
