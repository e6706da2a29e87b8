"""Trains, grades and publishes a niche's specialist."""

import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoTokenizer

from deployments.models.adapters import load_adapter
from lab.specialists.errors import RecipeError
from lab.specialists.evaluation.calls import CallSettings, grade_calls
from lab.specialists.evaluation.plan import Weights
from lab.specialists.evaluation.score import evaluate
from lab.specialists.niche import Niche, Split
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.batches import encode
from lab.specialists.training.publish import Provenance, publish, to_half_precision
from lab.specialists.training.train import Stage, train_stages
from lab.specialists.training.workspace import Workspace
from lab.statistics.jsonl import format_faults

# It only shows the effect of training, and its answers are long: many rows would take longer than
# grading the specialist itself.
_BASE_ROWS = 200
_TRAINED_ON: tuple[Split, ...] = ("train", "validation")


def make_specialist(
    niche: Niche,
    workspace: Workspace,
    configs: Sequence[TrainConfig],
    out: Path,
    test_rows: int | None = None,
    calls: CallSettings | None = None,
) -> Provenance:
    """Trains a specialist, grades it and the base model on test rows, and publishes it to `out`.

    Calls of functions are graded on the published adapter, as it is served; until then its card
    has no functions.

    Args:
        niche: the niche.
        workspace: base model, data and working directory.
        configs: the settings of each stage of training, at least one.
        out: the adapter's directory; replaced if it exists.
        test_rows: the number of test rows; None: all.
        calls: how to grade calls of functions; None: they are not graded.

    Raises:
        RecipeError: an example does not fit, or the checkpoint belongs to another run.
        DatasetError: a data set is absent or altered.
        ModelError: the engine that grades calls cannot load the base model.
    """
    adapter, stages = train_stages(niche, workspace, configs)
    # Grades the published adapter: at half precision, read back from disk.
    shipped = to_half_precision(adapter, workspace.work_dir / "shipped")
    score = evaluate(niche, workspace.base_dir, shipped, workspace.data_dir, test_rows)
    few = min(test_rows or _BASE_ROWS, _BASE_ROWS)
    before = evaluate(niche, workspace.base_dir, None, workspace.data_dir, few)
    facts = Provenance(workspace.base, stages, score, before, _hardware(stages[-1]))
    published = publish(niche, shipped, out, facts)
    if niche.functions is None or calls is None:
        return facts
    weights = Weights(workspace.base, workspace.base_dir, load_adapter(str(published)))
    facts = replace(facts, calls=grade_calls(niche, weights, calls))
    publish(niche, shipped, out, facts)
    return facts


def require_lengths(niche: Niche, workspace: Workspace, max_length_tokens: int) -> None:
    """Checks that every row fits: prompt and answer, or for test rows the longest allowed answer.

    Raises:
        RecipeError: some do not; the message has a line for each.
    """
    tokenizer = AutoTokenizer.from_pretrained(workspace.base_dir)
    tested = list(niche.examples("test", workspace.data_dir))
    trained_on = [
        example for part in _TRAINED_ON for example in niche.examples(part, workspace.data_dir)
    ]
    encoded = encode([*trained_on, *tested], tokenizer, niche.system_prompt, max_length_tokens)
    faults = [
        f"{row.origin or row.prompt[:60]}: {of.answer_start} tokens and up to "
        f"{niche.max_answer_tokens} of an answer, more than max_length_tokens="
        f"{max_length_tokens}; shorten it or raise the limit"
        for row, of in zip(tested, encoded[len(trained_on) :], strict=True)
        if of.answer_start + niche.max_answer_tokens > max_length_tokens
    ]
    if faults:
        raise RecipeError(format_faults(faults))


def _hardware(stage: Stage) -> str:
    """A description of the hardware."""
    if stage.result.device == "cuda":
        return torch.cuda.get_device_name()
    cores = stage.config.threads or os.cpu_count() or 1
    return f"{cores} CPU core{'s' if cores > 1 else ''} ({platform.machine()})"
