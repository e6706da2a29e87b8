"""Publishes a trained adapter: half-precision weights, `niche.json` with checksums, a model
card."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from deployments.models.adapters import CARD, CONFIG, WEIGHTS
from deployments.models.checksum import sha256_of
from lab.datasets.sources import DATASETS
from lab.specialists.evaluation.calls import CallScores
from lab.specialists.evaluation.score import Score
from lab.specialists.niche import Niche
from lab.specialists.training.train import Stage


@dataclass(frozen=True)
class Provenance:
    """Base, settings, scores and hardware of an adapter, for its model card; `calls`: the scores of
    its calls of functions, if they were graded."""

    base: str
    stages: tuple[Stage, ...]
    score: Score
    base_score: Score
    hardware: str
    calls: CallScores | None = None

    @property
    def clearly_better(self) -> bool:
        """Whether the specialist's interval is above the base model's."""
        return self.score.low > self.base_score.high

    def sentence(self) -> str:
        """A sentence on its quality."""
        own, before = self.score, self.base_score
        return (
            f"quality {own.quality:.3f} [{own.low:.3f}, {own.high:.3f}] on {own.examples:,} test "
            f"rows; the base model alone: {before.quality:.3f} "
            f"[{before.low:.3f}, {before.high:.3f}]"
        )


def to_half_precision(trained: Path, folder: Path) -> Path:
    """Writes a trained adapter with float16 weights; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.to(torch.float16) for key, value in load_file(trained / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    shutil.copyfile(trained / CONFIG, folder / CONFIG)
    card = json.loads((trained / CARD).read_text(encoding="utf-8"))
    _write_json(folder / CARD, card | {"sha256": sha256_of(folder / WEIGHTS)})
    return folder


def publish(niche: Niche, trained: Path, out: Path, provenance: Provenance) -> Path:
    """Writes `out/` with the adapter in float16, `niche.json` and the card; returns its real path.

    Args:
        niche: its niche.
        trained: the PEFT directory from training.
        out: the output folder, replaced if it exists.
        provenance: figures and settings for the card.
    """
    out = out.resolve()  # `.` has no name, and a link cannot be replaced by a folder
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    to_half_precision(trained, part)
    config = json.loads((trained / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = provenance.base  # not a path of the training machine
    _write_json(part / CONFIG, config)
    _write_json(part / CARD, _facts(niche, part / WEIGHTS, provenance))
    (part / "README.md").write_text(_card(niche, provenance), encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return out


def _facts(niche: Niche, weights: Path, provenance: Provenance) -> dict[str, Any]:
    return {
        "niche": niche.name,
        "base": provenance.base,
        "system_prompt": niche.system_prompt,
        "complete": niche.completion,
        "grammar": niche.grammar,
        "sha256": sha256_of(weights),
        "graders": niche.graders,
        "datasets": {name: DATASETS[name].sha256 for name in niche.read_datasets}
        | {item.path: item.sha256 for item in niche.own_data},
        "stages": [asdict(stage) for stage in provenance.stages],
        "test": asdict(provenance.score),
        "base_test": asdict(provenance.base_score),
        "hardware": provenance.hardware,
        **_functions(niche, provenance.calls),
    }


def _functions(niche: Niche, calls: CallScores | None) -> dict[str, Any]:
    """The functions that it may be asked to call: none, if its base calls them as well."""
    if niche.functions is None or calls is None or not calls.wins_on_learned:
        return {}
    return {
        "functions": [json.loads(tool)["function"] for tool in niche.functions.known],
        "other_functions": calls.wins_on_others,
        "calls_test": asdict(calls),
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _row(name: str, score: Score) -> str:
    return (
        f"| {name} | {score.quality:.3f} [{score.low:.3f}, {score.high:.3f}] | {score.examples} "
        f"| {score.mean_answer_tokens:.1f} | {score.cut} ({score.cut / score.examples:.1%}) |"
    )


def _card(niche: Niche, provenance: Provenance) -> str:
    config = provenance.stages[-1].config
    more = ", ".join(f"`{name}`" for name in niche.graders[1:])
    others = f" Other graders: {more}." if more else ""
    return "\n".join(
        [
            f"# {niche.name}: a specialist on {provenance.base}",
            "",
            f"System prompt: `{niche.system_prompt}`",
            "",
            "| model | quality [95 % interval] | test rows | tokens per answer "
            "| cut at the limit |",
            "|---|---|---|---|---|",
            _row(f"{niche.name} (this adapter)", provenance.score),
            _row("base model, same prompt", provenance.base_score),
            "",
            f"Graded by `{niche.graders[0]}` (router/grading), greedy decoding, float32, at "
            f"most {niche.max_answer_tokens} tokens.{others}",
            "",
            f"- Recipe: LoRA rank {config.rank}, alpha {config.alpha}, every linear layer; AdamW, "
            f"on {provenance.hardware}",
            *[_stage(number, stage) for number, stage in enumerate(provenance.stages, start=1)],
            *(
                ["- The weights are the mean of those that the stages after the first left"]
                if len(provenance.stages) > 2
                else []
            ),
            *(
                ["- Engines hold its answers to the grammar in `niche.json`; the figures do not"]
                if niche.grammar
                else []
            ),
            *[
                f"- Data: {item.source}; {item.licence}; sha256 {item.sha256}"
                for item in niche.sources
            ],
            *_about_calls(niche, provenance),
            "",
        ]
    )


def _about_calls(niche: Niche, provenance: Provenance) -> list[str]:
    calls = provenance.calls
    if calls is None:
        return []
    served = len(_functions(niche, calls).get("functions", ()))
    sentence = f"It calls the {served} functions in `niche.json`, of which a request describes some"
    if not served:
        sentence = "It calls no functions: its base does it as well"
    elif calls.wins_on_others:
        sentence += ", and others that a request describes"
    else:
        sentence += "; requests that describe any other go to the generalist"
    table = calls.table(niche.name, "base model").markdown()
    return ["", "## Calls of functions", "", f"{sentence}. On engine llama:", "", table]


def _stage(number: int, stage: Stage) -> str:
    config, result = stage.config, stage.result
    return (
        f"- Stage {number}: {result.examples} rows, {config.epochs} epoch(s), {result.steps} steps "
        f"of {config.batch_size} rows, peak learning rate {config.learning_rate:g}, seed "
        f"{config.seed}; {result.seconds:.0f} s ({result.device}); best validation loss "
        f"{result.validation_loss:.4f} nats per answer token"
    )
