"""What is abused: our stack with default limits, on the fake engine or on llama.cpp, or a running
one."""

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from loadtests.bench.processes import started
from loadtests.bench.stacks import ray_environment
from loadtests.overload.clients import Target
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import Readiness, free_port, serve_command

_WORDS, _TOKEN_SECONDS, _SLOTS = 16, 0.0125, 8
"""The fake engine takes 0.2 s an answer and has eight slots: forty answers a second."""
_COMPARISONS = 8
"""At once, so that forged scores need not wait for something to score."""
_ROLES = ("operator", "grader")


@dataclass(frozen=True)
class Keys:
    """The API keys of a stack, none of which any `repr` shows.

    Attributes:
        polite: of the polite client, whose answers others are after.
        hostile: a second one that may send requests and nothing else.
        grader: may score answers.
        operator: may also change specialists, and reads the evidence here.
    """

    polite: str = field(repr=False)
    hostile: str = field(repr=False)
    grader: str = field(repr=False)
    operator: str = field(repr=False)

    @classmethod
    def drawn(cls) -> "Keys":
        """New ones."""
        return cls(*(f"sk-abuse-{secrets.token_urlsafe(24)}" for _ in range(4)))

    @classmethod
    def from_file(cls, path: Path) -> "Keys":
        """Those of a stack's `gateway.api_keys_file`: the first two without a role, and one of
        each role.

        Raises:
            LoadTestError: it cannot be read, or one is missing.
        """
        try:
            lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        except OSError as error:
            raise LoadTestError(f"--keys {path}: {error.strerror}") from error
        plain = [words[0] for words in lines if len(words) == 1]
        roles = {words[0]: words[-1] for words in lines if len(words) > 1}
        if len(plain) < 2 or not roles.keys() >= set(_ROLES):
            raise LoadTestError(
                f"--keys {path}: needs two keys without a role, and lines `operator KEY` and "
                "`grader KEY`"
            )
        return cls(plain[0], plain[1], roles["grader"], roles["operator"])

    @property
    def text(self) -> str:
        """What `gateway.api_keys_file` holds."""
        plain = f"{self.polite}\n{self.hostile}\n"
        return f"{plain}operator {self.operator}\ngrader {self.grader}\n"


@dataclass(frozen=True)
class Attacked:
    """A running stack.

    Attributes:
        target: what the polite client asks.
        keys: its keys.
        pid: the root of its processes, to measure their memory; None: not measured.
    """

    target: Target
    keys: Keys
    pid: int | None


class Stack(Protocol):
    """Something to abuse.

    Attributes:
        rate: requests of the polite client a second: far below what the stack can answer.
    """

    @property
    def title(self) -> str: ...  # noqa: D102 - its name in the table
    @property
    def rate(self) -> float: ...  # noqa: D102 - see above
    def start(self, folder: Path, log: Path) -> AbstractContextManager[Attacked]:
        """Runs it.

        Raises:
            LoadTestError: it did not start.
        """


@dataclass(frozen=True)
class Niche:
    """`niche serve` with default limits.

    Attributes:
        config: lacks what needs a folder of the run's own.
        max_tokens: of the polite client's answers.
    """

    title: str
    rate: float
    config: dict[str, Any]
    max_tokens: int = 16

    @contextmanager
    def start(self, folder: Path, log: Path) -> Iterator[Attacked]:
        """Runs it."""
        path, port, keys = folder / "niche.yaml", free_port(), Keys.drawn()
        (folder / "keys.txt").touch(mode=0o600)
        (folder / "keys.txt").write_text(keys.text, encoding="utf-8")
        edge: dict[str, Any] = {"api_keys_file": str(folder / "keys.txt")}
        if self.config.get("specialists"):
            edge["shadow"] = _comparing_all(folder)
            edge["response_store"] = {"path": str(folder / "responses.db")}
        path.write_text(yaml.safe_dump(self.config | {"gateway": edge}), encoding="utf-8")
        server = Server(f"http://127.0.0.1:{port}", keys.polite)
        with started(serve_command(path, port), server, log, Readiness(), ray_environment()) as pid:
            model = self.config["generalist"]["name"]
            yield Attacked(Target(server, model, self.max_tokens), keys, pid)


def _comparing_all(folder: Path) -> dict[str, Any]:
    """Each routed answer can be scored, as suits who forges scores best."""
    ratios = {"sample_ratio": 1.0, "trial_sample_ratio": 1.0}
    more = {"max_concurrent": _COMPARISONS, "store_texts": True}
    return {"path": str(folder / "evidence.db"), **ratios, **more}


def on_fake_engine() -> Niche:
    """Our stack with a specialist that scores may demote, and one that they may promote."""
    options = {
        "reply": " ".join(["word"] * _WORDS),
        "first_token_seconds": _TOKEN_SECONDS,
        "token_seconds": _TOKEN_SECONDS,
        "parallel_requests": _SLOTS,
    }
    model = {"model": "none", "engine": "fake", "engine_options": options}
    specialists = [
        {"name": "sql", "domain": "sql", **model},
        {"name": "math", "domain": "math", "initial_state": "shadow", **model},
    ]
    generalist = {"name": "generalist", **model}
    return Niche("fake engine", 10.0, {"generalist": generalist, "specialists": specialists})


def on_llama() -> Niche:
    """Our stack on llama.cpp with the default generalist, which has a tokenizer to keep busy."""
    generalist = {"name": "generalist", "model": "smollm2-135m-instruct"}
    return Niche("llama.cpp", 1.0, {"generalist": generalist}, max_tokens=4)


@dataclass(frozen=True)
class Started:
    """A stack that somebody else has started."""

    attacked: Attacked
    rate: float
    title: str = "a running one"

    def start(self, folder: Path, log: Path) -> AbstractContextManager[Attacked]:
        """It runs already."""
        del folder, log
        return nullcontext(self.attacked)
