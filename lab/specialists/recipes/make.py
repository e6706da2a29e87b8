"""A niche -> a specialist that is trained, graded and published: what a recipe does, in order."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer

from lab.specialists.niches.niche import Niche, Split
from lab.specialists.recipes.batches import encode
from lab.specialists.recipes.config import TrainConfig
from lab.specialists.recipes.errors import RecipeError
from lab.specialists.recipes.evaluate import evaluate
from lab.specialists.recipes.publish import Provenance, halved, publish
from lab.specialists.recipes.stages import Stage, train_stages
from lab.specialists.recipes.workplace import Workplace
from lab.statistics.jsonl import listed

# It is there to show what training did, and talks at length: many rows would take longer than
# grading the specialist itself.
_BASE_ROWS = 200
_LEARNT: tuple[Split, ...] = ("train", "validation")


def make_specialist(
    niche: Niche,
    place: Workplace,
    configs: Sequence[TrainConfig],
    out: Path,
    test_rows: int | None = None,
) -> Provenance:
    """Trains, grades on test rows, the base model alone on some of them, and publishes to `out`.

    Args:
        niche: what for.
        place: the base model, the data, and where to work.
        configs: the settings of each stage of training, at least one.
        out: the adapter's directory; replaced if it exists.
        test_rows: how many to grade; None takes all.

    Raises:
        RecipeError: an example does not fit, or the checkpoint is of another run.
        DatasetError: a data set is absent or altered.
    """
    adapter, stages = train_stages(niche, place, configs)
    # What is graded is what ships: at half precision, read back from disk.
    shipped = halved(adapter, place.work_dir / "shipped")
    score = evaluate(niche, place.base_dir, shipped, place.data_dir, test_rows)
    before = evaluate(
        niche, place.base_dir, None, place.data_dir, min(test_rows or _BASE_ROWS, _BASE_ROWS)
    )
    facts = Provenance(place.base, stages, score, before, _hardware(stages[-1]))
    publish(niche, shipped, out, facts)
    return facts


def require_fitting(niche: Niche, place: Workplace, max_length_tokens: int) -> None:
    """Returns when every row fits: prompt and answer, and in the test the longest answer allowed.

    Raises:
        RecipeError: some do not; each has a line.
    """
    tokenizer = AutoTokenizer.from_pretrained(place.base_dir)
    tested = list(niche.examples("test", place.data_dir))
    learnt = [example for part in _LEARNT for example in niche.examples(part, place.data_dir)]
    encoded = encode([*learnt, *tested], tokenizer, niche.system_prompt, max_length_tokens)
    faults = [
        f"{row.origin or row.prompt[:60]}: {of.answer_start} tokens and up to "
        f"{niche.max_answer_tokens} of an answer, more than max_length_tokens="
        f"{max_length_tokens}; shorten it or raise the limit"
        for row, of in zip(tested, encoded[len(learnt) :], strict=True)
        if of.answer_start + niche.max_answer_tokens > max_length_tokens
    ]
    if faults:
        raise RecipeError(listed(faults))


def _hardware(stage: Stage) -> str:
    """What it ran on, in words."""
    if stage.result.device == "cuda":
        return torch.cuda.get_device_name()
    cores = stage.config.threads or os.cpu_count() or 1
    return f"{cores} CPU core{'s' if cores > 1 else ''} ({platform.machine()})"
