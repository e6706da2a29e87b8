"""How often a model answers a niche's test rows right: greedy decoding, graded by the niche's
grader."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from scipy.stats import binomtest
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.niches.niche import Example, Niche

__all__ = ["Score", "evaluate"]

_BATCH = 16


@dataclass(frozen=True)
class Score:
    """Right answers among `examples`, with Wilson's 95 % interval, and how many hit the length
    limit."""

    right: int
    examples: int
    low: float
    high: float
    cut: int
    mean_answer_tokens: float

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.right / self.examples


def evaluate(
    niche: Niche, base: Path, adapter: Path | None, data_dir: Path, count: int | None, seed: int = 0
) -> Score:
    """Grades a base model, with or without an adapter, on test rows drawn by `seed`.

    Args:
        niche: its test rows, system prompt and grader.
        base: a local transformers model directory.
        adapter: an adapter directory, or None for the base model alone.
        data_dir: where the data sets lie.
        count: test rows to draw; None takes all.
        seed: draws them.

    Raises:
        DatasetError: a data set is absent or altered.
    """
    rows = list(niche.examples("test", data_dir))
    random.Random(seed).shuffle(rows)
    rows = rows[:count]
    tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    model = model.to(device).eval()
    right = cut = tokens = 0
    # Like lengths together: less padding. The order does not change a greedy answer.
    rows.sort(key=lambda row: len(row.prompt))
    for start in tqdm(range(0, len(rows), _BATCH), unit="batch"):
        part = rows[start : start + _BATCH]
        for row, (answer, length) in zip(
            part, _answers(model, tokenizer, niche, part), strict=True
        ):
            right += niche.grade(answer + niche.complete(answer), row.reference).hits
            cut += length >= niche.max_answer_tokens
            tokens += length
    interval = binomtest(right, len(rows)).proportion_ci(method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Score(right, len(rows), low, high, cut, tokens / len(rows))


@torch.inference_mode()
def _answers(
    model: Any, tokenizer: Any, niche: Niche, rows: list[Example]
) -> list[tuple[str, int]]:
    """The answer and its length in tokens for each row."""
    chats = [
        [
            {"role": "system", "content": niche.system_prompt},
            {"role": "user", "content": row.prompt},
        ]
        for row in rows
    ]
    texts = [
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        for chat in chats
    ]
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    out = model.generate(
        **inputs.to(model.device),
        max_new_tokens=niche.max_answer_tokens,
        do_sample=False,
        pad_token_id=tokenizer.eos_token_id,
    )
    fresh = out[:, inputs["input_ids"].shape[1] :]
    lengths = (fresh != tokenizer.eos_token_id).sum(dim=1).tolist()
    return list(zip(tokenizer.batch_decode(fresh, skip_special_tokens=True), lengths, strict=True))
