"""What an engine is: one file under `deployments/engines/` with `create(spec, context) -> Engine`.

An engine checks its own `engine_options` with a frozen pydantic model (`parse_options`), says the
system prompt of its spec by one rule (`with_system_prompt`) and keeps a record of its work
(`LoadRecorder`).
"""

import asyncio
import importlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar, cast

from pydantic import BaseModel, ValidationError

from deployments.protocol import Backend, Load, Message, Prompt
from deployments.spec import ModelSpec

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class EngineContext:
    """What an engine may know of the machine: where model files lie."""

    cache_dir: Path


class Engine(Backend, Protocol):
    """A backend that holds a model: it is started once, asked many times, and stopped once."""

    async def start(self) -> None:
        """Loads the weights; may take minutes. Raises what makes the model unusable."""

    async def alive(self) -> None:
        """Returns unless only a restart can mend this engine; else raises `Unavailable`.

        Less than `health`: an engine whose upstream is down cannot answer, yet a restart is no
        cure.
        """

    async def stop(self) -> None:
        """Frees everything; requests in flight end with `Unavailable` or are cancelled."""


def create_engine(spec: ModelSpec, context: EngineContext) -> Engine:
    """Builds the engine that `spec.engine` names, without loading weights.

    Raises:
        ValueError: an engine option is unknown or wrong; the message names `engine_options.KEY`.
    """
    module = importlib.import_module(f"deployments.engines.{spec.engine}")
    return cast(Engine, module.create(spec, context))


def parse_options(model: type[Options], spec: ModelSpec) -> Options:
    """Validates `spec.engine_options` with the engine's own model.

    Raises:
        ValueError: a line for each fault, each naming `engine_options.KEY`.
    """
    try:
        return model.model_validate(spec.engine_options)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            key = ".".join(("engine_options", *(str(part) for part in fault["loc"])))
            unknown = fault["type"] == "extra_forbidden"
            allowed = f"unknown key; allowed: {', '.join(model.model_fields)}"
            lines.append(f"{key}: {allowed if unknown else fault['msg']} (engine {spec.engine!r})")
        raise ValueError("\n".join(lines)) from error


def with_system_prompt(prompt: Prompt, system_prompt: str | None) -> Prompt:
    """Puts `system_prompt` before a conversation without a system message; changes nothing else."""
    if not system_prompt or not prompt.messages:
        return prompt
    if any(message.role == "system" for message in prompt.messages):
        return prompt
    return replace(prompt, messages=(Message("system", system_prompt), *prompt.messages))


class Work:
    """One request's work: set `finished` before the last piece is handed out."""

    def __init__(self) -> None:
        self.finished = False
        self.tokens = 0


class LoadRecorder:
    """Counts what an engine does. A request ends completed, failed or, left early, cancelled."""

    def __init__(self, recent: int = 256) -> None:
        self._running = self._completed = self._cancelled = self._failed = self._tokens = 0
        self._recent: deque[str] = deque(maxlen=recent)

    @contextmanager
    def track(self, request_id: str) -> Iterator[Work]:
        """Counts the request as running inside the block, and its end by how the block is left."""
        work = Work()
        self._running += 1
        self._recent.append(request_id)
        try:
            yield work
        except (GeneratorExit, asyncio.CancelledError):
            # Whoever stops reading after the last piece has had the whole answer.
            self._cancelled += not work.finished
            self._completed += work.finished
            raise
        except BaseException:
            self._failed += 1
            raise
        else:
            self._completed += 1
        finally:
            self._running -= 1
            self._tokens += work.tokens

    def load(self, queued: int = 0) -> Load:
        """The record so far; `queued` is the engine's own count of requests that wait."""
        return Load(
            running=self._running,
            queued=queued,
            completed=self._completed,
            cancelled=self._cancelled,
            failed=self._failed,
            generated_tokens=self._tokens,
            recent_request_ids=tuple(self._recent),
        )
