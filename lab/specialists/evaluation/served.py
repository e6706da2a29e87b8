"""Greedy answers of a model on the engine that will serve it, many questions at a time."""

import asyncio
import json
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from deployments.engine import EngineContext, create_engine
from deployments.models.errors import ModelError
from deployments.protocol import ModelRequest, PromptTooLong
from deployments.spec import ModelSpec, Resources
from deployments.tagged_calls import call_text
from lab.specialists.evaluation.answers import Chat, GeneratedAnswer, loops
from lab.specialists.evaluation.plan import Weights

_CONTEXT_TOKENS = 2048


class ServedGenerator:
    """A model on one of our engines; answers as `Generator` does.

    Args:
        weights: the base and its adapter.
        engine: one that takes them, such as `llama`.
        cache: the directory of model files.
        at_once: questions at once.
        threads: CPU threads; None: one.

    Raises:
        ModelError: a model cannot be loaded.
        ValueError: the engine cannot run here.
    """

    def __init__(
        self, weights: Weights, engine: str, cache: Path, at_once: int, threads: int | None
    ) -> None:
        self._spec = ModelSpec(
            name="graded",
            model=weights.reference,
            adapter=None if weights.adapter is None else str(weights.adapter.path),
            engine=engine,
            engine_options={
                "max_context_tokens": _CONTEXT_TOKENS,
                "parallel_requests": at_once,
                "default_temperature": 0,
            },
            resources=Resources(num_cpus=threads or 1),
        )
        self._at_once = at_once
        self._tokenizer = AutoTokenizer.from_pretrained(weights.base)
        self._runner = asyncio.Runner()
        self._engine = create_engine([self._spec], EngineContext(cache))
        self._runner.run(self._engine.start())

    def close(self) -> None:
        """Frees the model."""
        self._runner.run(self._engine.stop())
        self._runner.close()

    def answers(
        self, chats: Sequence[Chat], max_answer_tokens: int, tools: Sequence[str] = ()
    ) -> Iterator[list[tuple[int, GeneratedAnswer]]]:
        """Yields each batch's answers, with their questions' indices in `chats`.

        Args:
            chats: at least one turn each.
            max_answer_tokens: longer answers are cut.
            tools: the functions of each chat, as JSON of OpenAI's form; none: no chat has any.

        Raises:
            ModelError: a question and its answer do not fit the model's context.
        """
        for start in range(0, len(chats), self._at_once):
            places = range(start, min(start + self._at_once, len(chats)))
            asked = [
                self._answer(chats[place], max_answer_tokens, tools[place] if tools else "[]")
                for place in places
            ]
            yield list(zip(places, self._runner.run(_all(asked)), strict=True))

    async def _answer(self, chat: Chat, max_answer_tokens: int, tools: str) -> GeneratedAnswer:
        body = {
            "messages": [{"role": turn.role, "content": turn.content} for turn in chat],
            "max_tokens": max_answer_tokens,
            "temperature": 0,
            "tools": json.loads(tools),
        }
        request = ModelRequest("", self._spec.name, "chat", json.dumps(body).encode())
        try:
            chunk = await self._engine.complete(request)
        except PromptTooLong as error:
            raise _does_not_fit() from error
        assert chunk.usage is not None
        text = _said(json.loads(chunk.data)["choices"][0]["message"])
        cut = chunk.finish_reasons == ((0, "length"),)
        if cut and chunk.usage.completion_tokens < max_answer_tokens:
            raise _does_not_fit()
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return GeneratedAnswer(
            text=text,
            prompt_tokens=chunk.usage.prompt_tokens,
            # The engine counts the token that ends the turn.
            answer_tokens=chunk.usage.completion_tokens - (not cut),
            cut=cut,
            loops=loops(ids),
            seconds=chunk.usage.engine_seconds,
        )


def _said(message: dict[str, Any]) -> str:
    """The words and the calls of a message, as the model wrote them."""
    calls = [
        call_text(call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    ]
    return "\n".join(filter(None, [message["content"], *calls]))


def _does_not_fit() -> ModelError:
    return ModelError(
        f"a question and its answer do not fit a context of {_CONTEXT_TOKENS} tokens; ask with "
        "fewer examples, or take another model"
    )


async def _all(asked: Sequence[Coroutine[Any, Any, GeneratedAnswer]]) -> list[GeneratedAnswer]:
    return await asyncio.gather(*asked)
