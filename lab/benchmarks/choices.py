"""What a router behind an OpenAI-compatible endpoint chooses, prompt by prompt.

Rule: prompts are asked in random order and each answer is stored at once, so that a run can be
interrupted and resumed, and a router that fails at one kind of prompt is told from one that fails
at all of them.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from lab.benchmarks.robustness import RobustnessPrompt
from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal

MOST_FAILED = 20
"""After this many failures in a row the run stops: the server is gone, or the request is wrong."""

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to one prompt: the name that was chosen, or an error with its details."""

    name: str | None = None
    error: str | None = None
    details: str = ""


class NoChoice(Exception):
    """An answer that does not say what was chosen; the message names what is missing."""


ReadName = Callable[[httpx.Response], str]
"""The name that an answer says was chosen; raises `NoChoice`."""


def in_header(header: str) -> ReadName:
    """Reads the name in a header."""

    def read(response: httpx.Response) -> str:
        found = response.headers.get(header)
        if not found:
            raise NoChoice(f"no header {header}")
        return str(found)

    return read


def in_field(path: str) -> ReadName:
    """Reads the name in a field of the JSON body; dots lead into objects, as in `niche.model`."""

    def read(response: httpx.Response) -> str:
        try:
            found: Any = response.json()
            for key in path.split("."):
                found = found[key]
        except (ValueError, KeyError, TypeError) as error:
            raise NoChoice(f"no field {path}") from error
        if not isinstance(found, str) or not found:
            raise NoChoice(f"field {path} is no text")
        return found

    return read


@dataclass(frozen=True)
class Asking:
    """How prompts are asked.

    Attributes:
        endpoint: the server.
        model: the model that is routed.
        max_tokens: of each answer, which is not read.
        read_name: reads the choice.
        concurrency: requests at a time.
    """

    endpoint: Endpoint
    model: str
    max_tokens: int
    read_name: ReadName
    concurrency: int


async def choices(
    prompts: Sequence[RobustnessPrompt],
    asking: Asking,
    http: httpx.AsyncClient,
    journal: Journal,
    progress: Callable[[int, int, int], object],
) -> Mapping[str, Choice]:
    """The choice for each prompt, by its id. Those in the journal are not asked again, unless they
    are errors.

    Args:
        prompts: what to ask.
        asking: how.
        http: the HTTP client.
        journal: the answers so far; gets the new ones.
        progress: called after each answer with the number of prompts that were asked, of all
            prompts, and of errors in this run.

    Raises:
        ComparisonError: too many requests in a row fail; the answers before them are stored.
    """
    by_id = {prompt.id: prompt for prompt in prompts}
    earlier = {line["id"]: Choice(line["name"]) for line in journal.read() if "name" in line}
    waiting = [prompt for name, prompt in by_id.items() if name not in earlier]
    random.Random(0).shuffle(waiting)
    found = _Found(earlier, journal, lambda done, failed: progress(done, len(by_id), failed))
    rest = iter(waiting)

    async def work() -> None:
        for prompt in rest:
            found.add(prompt.id, await _choice(prompt, asking, http))

    workers = [asyncio.create_task(work()) for _ in range(min(asking.concurrency, len(waiting)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return found.choices


class _Found:
    """The choices so far."""

    def __init__(
        self,
        earlier: Mapping[str, Choice],
        journal: Journal,
        progress: Callable[[int, int], object],
    ) -> None:
        self.choices = dict(earlier)
        self._journal, self._progress = journal, progress
        self._failed, self._in_a_row = 0, 0

    def add(self, name: str, choice: Choice) -> None:
        """Stores one choice.

        Raises:
            ComparisonError: it is the last of too many failures in a row.
        """
        self.choices[name] = choice
        self._in_a_row = 0 if choice.error is None else self._in_a_row + 1
        self._failed += choice.error is not None
        stored = {"name": choice.name, "error": choice.error, "details": choice.details}
        self._journal.append({"id": name, **{key: value for key, value in stored.items() if value}})
        self._progress(len(self.choices), self._failed)
        if self._in_a_row >= MOST_FAILED:
            raise ComparisonError(
                f"{MOST_FAILED} requests in a row failed, the last one with {choice.error} "
                f"{choice.details}".rstrip()
                + "; mend that and run the same command again: "
                "earlier answers are stored"
            )


async def _choice(prompt: RobustnessPrompt, asking: Asking, http: httpx.AsyncClient) -> Choice:
    body = {
        "model": asking.model,
        "messages": [
            {"role": turn.role, "content": turn.content} for turn in prompt.query.messages
        ],
        "max_tokens": asking.max_tokens,
        "temperature": 0,
    }
    url = f"{asking.endpoint.base_url}/chat/completions"
    try:
        response = await http.post(url, json=body, headers=asking.endpoint.headers)
        if not response.is_success:
            details = " ".join(response.text.split())[:_SHOWN]
            return Choice(error=f"HTTP {response.status_code}", details=details)
        return Choice(asking.read_name(response))
    except httpx.HTTPError as error:
        return Choice(error=type(error).__name__, details=str(error)[:_SHOWN])
    except NoChoice as error:
        return Choice(error=str(error))
