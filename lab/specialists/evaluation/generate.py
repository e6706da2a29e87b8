"""Greedy answers of a transformers model, many questions at a time, with tokens and seconds.

Questions of similar length share a batch, padded on the left, longest first. A model's own
generation settings, such as a repetition penalty, are not applied.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedTokenizerBase

from deployments.models.errors import ModelError
from lab.specialists.evaluation.answers import Chat, GeneratedAnswer, loops

BATCH_SIZE = 16


class Generator:
    """A model in memory that answers questions.

    Args:
        model: a causal language model of transformers; moved to the accelerator if there is one.
        tokenizer: its own, with a chat template.
        batch_size: questions per batch.

    Raises:
        ModelError: the tokenizer has no chat template.
    """

    def __init__(
        self, model: Any, tokenizer: PreTrainedTokenizerBase, batch_size: int = BATCH_SIZE
    ) -> None:
        if not tokenizer.chat_template:
            raise ModelError(
                f"the model {tokenizer.name_or_path} has no chat format (chat_template); name one "
                "that was made to chat, such as an instruct model"
            )
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        ends = self._model.generation_config.eos_token_id
        if ends is None:
            ends = tokenizer.eos_token_id
        self._ends = frozenset([ends] if isinstance(ends, int) else ends)
        pad = tokenizer.pad_token_id
        self._pad_id = int(min(self._ends) if pad is None else pad)
        self._warm = False

    def answers(
        self, chats: Sequence[Chat], max_answer_tokens: int
    ) -> Iterator[list[tuple[int, GeneratedAnswer]]]:
        """Yields each batch's answers, with their questions' indices in `chats`.

        Args:
            chats: at least one turn each.
            max_answer_tokens: longer answers are cut.

        Raises:
            ModelError: a question and its answer do not fit the model's context.
        """
        prompts = [self._encode(chat) for chat in chats]
        self._check(prompts, max_answer_tokens)
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            found = self._batch([prompts[place] for place in places], max_answer_tokens)
            yield list(zip(places, found, strict=True))

    def _encode(self, chat: Chat) -> list[int]:
        turns = [{"role": message.role, "content": message.content} for message in chat]
        text = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _check(self, prompts: Sequence[Sequence[int]], max_answer_tokens: int) -> None:
        longest = max(map(len, prompts), default=0)
        context = getattr(self._model.config, "max_position_embeddings", None)
        if context is not None and longest + max_answer_tokens > context:
            raise ModelError(
                f"a question of {longest} tokens and an answer of up to {max_answer_tokens} do not "
                f"fit a context of {context}; ask with fewer examples, or take another model"
            )

    def _batch(self, prompts: list[list[int]], max_answer_tokens: int) -> list[GeneratedAnswer]:
        if not self._warm:
            # The first run of a kernel includes its setup, which must not count for a question.
            self._generate(prompts[-1:], 2)
            self._warm = True
        started = time.perf_counter()
        rows = self._generate(prompts, max_answer_tokens)
        seconds = (time.perf_counter() - started) / len(prompts)
        return [
            self._answer(len(prompt), row, max_answer_tokens, seconds)
            for prompt, row in zip(prompts, rows, strict=True)
        ]

    @torch.inference_mode()
    def _generate(self, prompts: list[list[int]], max_answer_tokens: int) -> list[list[int]]:
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self._pad_id)
        mask = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        out = self._model.generate(
            input_ids=ids.to(self._model.device),
            attention_mask=mask.to(self._model.device),
            generation_config=GenerationConfig(
                max_new_tokens=max_answer_tokens,
                do_sample=False,
                eos_token_id=sorted(self._ends),
                pad_token_id=self._pad_id,
            ),
        )
        found: list[list[int]] = out[:, width:].tolist()
        return found

    def _answer(
        self, prompt_tokens: int, row: list[int], max_answer_tokens: int, seconds: float
    ) -> GeneratedAnswer:
        end = next((place for place, token in enumerate(row) if token in self._ends), None)
        tokens = row[:end]
        return GeneratedAnswer(
            text=self._tokenizer.decode(tokens, skip_special_tokens=True),
            prompt_tokens=prompt_tokens,
            answer_tokens=len(tokens),
            cut=end is None and len(row) >= max_answer_tokens,
            loops=loops(tokens),
            seconds=seconds,
        )
