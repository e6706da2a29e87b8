"""A trained adapter as it ships: complete, honest, believed by the engine, and right."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.engine import EngineContext, create_engine
from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.spec import ModelSpec
from lab.datasets.sources import Dataset
from lab.specialists.evaluation.calls import CallScore, CallScores
from lab.specialists.evaluation.score import Score, evaluate
from lab.specialists.recipe import TrainConfig
from lab.specialists.registry import NICHES
from lab.specialists.training.publish import Provenance, publish
from lab.specialists.training.train import Stage, TrainResult, train
from lab.statistics.interval import Interval
from tests import model_requests
from tests.deployments.checkpoint_gguf import save_checkpoint_gguf
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import calling_niche, make_niche

CONFIG = TrainConfig(rank=4, learning_rate=0.02, batch_size=4, epochs=8, threads=1)
SCORE = Score(0.75, 40, 0.598, 0.858, cut=2, mean_prompt_tokens=20.0, mean_answer_tokens=11.25)
BASE_SCORE = Score(0.1, 40, 0.04, 0.231, cut=7, mean_prompt_tokens=20.0, mean_answer_tokens=50.5)
ASKED = ("say hello", "deny it", "say ab", "deny pp", "what now?")
NO_DATA = Path("unused")

Publish = Callable[..., Path]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def file(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base as the engine reads it."""
    return save_checkpoint_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", base)


@pytest.fixture(scope="module")
def work(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    folder = tmp_path_factory.mktemp("work")
    return folder, train(make_niche(), base, NO_DATA, folder, CONFIG)


@pytest.fixture(scope="module")
def published(work, tmp_path_factory: pytest.TempPathFactory) -> Publish:
    folder, result = work

    def make(base="org/tiny", name="toy", niche=None, out=None, calls=None) -> Path:
        facts = Provenance(base, (Stage(CONFIG, result),), SCORE, BASE_SCORE, "two cores", calls)
        out = out or tmp_path_factory.mktemp("out") / name
        return publish(niche or make_niche(), folder / "adapter", out, facts)

    return make


def test_a_link_to_a_folder_is_written_through(published: Publish, tmp_path: Path) -> None:
    """Hours of training do not end at a place that was a link."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "toy").symlink_to(real)

    published(out=tmp_path / "toy")

    assert load_adapter(str(real)).niche == "toy"


def test_what_is_published_is_believed(published: Publish) -> None:
    """The adapter loads by the rules of every adapter, with its niche, base and system prompt."""
    out = published()

    found = load_adapter(out.name, out.parent)

    assert (found.niche, found.base, found.system_prompt) == ("toy", "org/tiny", "say it.")
    weights = (out / "adapter_model.safetensors").read_bytes()
    assert found.sha256 == hashlib.sha256(weights).hexdigest()


def test_the_weights_are_the_trained_ones_at_half_precision(published: Publish, work) -> None:
    """Every tensor is there, rounded to float16 and otherwise unchanged."""
    trained = load_file(work[0] / "adapter" / "adapter_model.safetensors")

    shipped = load_file(published() / "adapter_model.safetensors")

    assert shipped.keys() == trained.keys()
    assert all(torch.equal(shipped[key], trained[key].half()) for key in trained)


def test_everybody_may_read_it(published: Publish) -> None:
    """What ships is no secret of whoever trained it."""
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in published().iterdir())


def test_no_path_of_the_machine_is_published(published: Publish, base: Path, work) -> None:
    """The base model goes by its name: where it lay when it was trained is nobody's business."""
    out = published()
    texts = {path.name: path.read_text() for path in out.iterdir() if path.suffix != ".safetensors"}

    assert json.loads(texts["adapter_config.json"])["base_model_name_or_path"] == "org/tiny"
    assert sorted(texts) == ["README.md", "adapter_config.json", "niche.json"]
    for text in texts.values():
        assert str(base) not in text
        assert str(work[0]) not in text


def test_the_card_shows_what_was_measured(published: Publish, work) -> None:
    """Both models' figures, the recipe, and what it took stand in the card."""
    card, result = (published() / "README.md").read_text(), work[1]

    for said in (
        "# toy: a specialist on org/tiny",
        "| toy (this adapter) | 0.750 [0.598, 0.858] | 40 | 11.2 | 2 (5.0%) |",
        "| base model, same prompt | 0.100 [0.040, 0.231] | 40 | 50.5 | 7 (17.5%) |",
        "Graded by `text` (router/grading), greedy decoding, float32, at most 8 tokens.\n",
        "LoRA rank 4, alpha 16, every linear layer;",
        "on two cores",
        f"- Stage 1: 24 rows, 8 epoch(s), {result.steps} steps of 4 rows, peak learning rate 0.02, "
        "seed 0;",
        f"({result.device}); best validation loss {result.validation_loss:.4f}",
    ):
        assert said in card


def test_the_facts_are_the_figures(published: Publish, work) -> None:
    """`niche.json` holds for programs what the card holds for people."""
    facts = json.loads((published() / "niche.json").read_text())

    assert facts["test"]["quality"] == 0.75
    assert facts["base_test"]["mean_answer_tokens"] == 50.5
    (stage,) = facts["stages"]
    assert stage["config"]["learning_rate"] == 0.02
    assert stage["result"]["steps"] == work[1].steps


def test_a_grammar_is_published(published: Publish) -> None:
    """For engines, and the card says that the figures are without it."""
    with_one, without = published(niche=NICHES["tools"]), published()

    assert load_adapter(str(with_one)).grammar == NICHES["tools"].grammar
    assert "grammar" in (with_one / "README.md").read_text()
    assert load_adapter(str(without)).grammar is None
    assert "grammar" not in (without / "README.md").read_text()


def test_a_card_names_its_data_with_licence(published: Publish) -> None:
    """Whoever uses an adapter can tell what it learnt from, and under which terms."""
    card = (published(niche=NICHES["tools"]) / "README.md").read_text()

    assert "- Data: github.com/sonos/nlu-benchmark" in card
    assert "CC0-1.0; sha256 0ef0abb0" in card


def test_a_card_of_a_files_niche_names_the_file(published: Publish) -> None:
    """Data that is in no manifest is known by its name and checksum, for programs too."""
    own = Dataset("mine.jsonl", "own file mine.jsonl", "MIT", "0123" * 16)

    out = published(niche=replace(make_niche(), own_data=(own,)))

    assert (
        f"- Data: own file mine.jsonl; MIT; sha256 {own.sha256}" in (out / "README.md").read_text()
    )
    assert json.loads((out / "niche.json").read_text())["datasets"] == {"mine.jsonl": own.sha256}


def test_a_card_names_every_grader(published: Publish) -> None:
    """The first is the measure; the others are told too."""
    card = (published(niche=NICHES["sql"]) / "README.md").read_text()

    assert "Graded by `sql` (router/grading)" in card
    assert "Other graders: `sql_execution`." in card


def test_better_is_an_interval_above_the_other() -> None:
    """Where the intervals overlap, nothing is claimed."""
    result = TrainResult(0.1, 1, 1, 1.0, "cpu")

    def made(low: float) -> Provenance:
        score = replace(SCORE, low=low)
        return Provenance("b", (Stage(CONFIG, result),), score, BASE_SCORE, "two cores")

    assert made(low=0.232).clearly_better
    assert not made(low=0.231).clearly_better


def test_publishing_again_replaces(published: Publish, work) -> None:
    """Nothing of an earlier adapter is left, and no half-made folder either."""
    out = published()
    (out / "old.txt").write_text("of an earlier run")
    facts = Provenance("org/other", (Stage(CONFIG, work[1]),), SCORE, BASE_SCORE, "two cores")

    publish(make_niche(), work[0] / "adapter", out, facts)

    assert load_adapter(str(out)).base == "org/other"
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert not (out / "old.txt").exists()


def test_a_missing_adapter_leaves_the_old_one(published: Publish, work, tmp_path: Path) -> None:
    """Where training left nothing, what was published before stays as it is."""
    out = published()
    facts = Provenance("org/other", (Stage(CONFIG, work[1]),), SCORE, BASE_SCORE, "two cores")

    with pytest.raises(FileNotFoundError):
        publish(make_niche(), tmp_path / "nothing", out, facts)

    assert load_adapter(str(out)).base == "org/tiny"


def chat(text: str, system: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": text}]


def unmerged(base: Path, adapter: Path, system: str) -> list[str]:
    """PEFT's own greedy answers, the adapter beside the weights and not in them."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    answers = []
    for text in ASKED:
        rendered = tokenizer.apply_chat_template(chat(text, system), tokenize=False)
        inputs = tokenizer(rendered, return_tensors="pt", add_special_tokens=False)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=12, do_sample=False, pad_token_id=0)
        fresh = out[0, inputs["input_ids"].shape[1] :]
        answers.append(tokenizer.decode(fresh, skip_special_tokens=True))
    return answers


async def served(file: Path, adapter: Path | None, system: str | None, cache: Path) -> list[str]:
    """The engine's greedy answers."""
    spec = ModelSpec(
        name="tiny",
        model=str(file),
        adapter=str(adapter) if adapter else None,
        system_prompt=system,
        engine="llama",
        engine_options={"parallel_requests": 1, "max_context_tokens": 256},
    )
    engine = create_engine([spec], EngineContext(cache))
    await engine.start()
    try:
        answers = []
        for text in ASKED:
            asked = model_requests.chat(text, max_tokens=12, temperature=0)
            answers.append(model_requests.text_of([await engine.complete(asked)]))
        return answers
    finally:
        await engine.stop()


async def test_the_engine_serves_what_was_trained(
    published: Publish, base: Path, file: Path, tmp_path: Path
) -> None:
    """On the engine the adapter answers as PEFT's own does, and not as the base."""
    adapter = published(base=str(file))

    # The system prompt comes with the adapter.
    answers = await served(file, adapter, None, tmp_path)

    assert answers == unmerged(base, adapter, "say it.")
    assert answers != await served(file, None, "say it.", tmp_path)


async def test_an_adapter_of_another_base_is_refused(
    published: Publish, file: Path, tmp_path: Path
) -> None:
    """Weights that were trained on another model are not used with this one."""
    with pytest.raises(ModelError, match="'org/tiny'"):
        await served(file, published(), None, tmp_path)


def test_the_evaluation_sees_the_difference(published: Publish, base: Path) -> None:
    """Graded on the test rows, the adapter is right where the base model is not."""
    adapter = published()

    with_it = evaluate(make_niche(), base, adapter, NO_DATA, None)
    without = evaluate(make_niche(), base, None, NO_DATA, None)

    assert with_it.examples == without.examples == 16
    assert without.quality < 1
    assert 0 < with_it.low < with_it.quality == 1 == with_it.high


def calls(learned: float, others: float) -> CallScores:
    def score(value: float) -> CallScore:
        return CallScore(40, {"calls": Interval(value, value - 0.05, value + 0.05)})

    return CallScores(score(learned), score(0.3), score(others), score(0.3))


@pytest.mark.parametrize(
    ("scores", "functions", "others"),
    [
        pytest.param(None, [], False, id="not graded"),
        pytest.param(calls(0.9, 0.6), ["say", "deny"], True, id="better on all"),
        pytest.param(calls(0.9, 0.3), ["say", "deny"], False, id="better on its own"),
        pytest.param(calls(0.3, 0.3), [], False, id="no better"),
    ],
)
def test_the_card_says_which_functions_it_serves(
    published: Publish, scores: CallScores | None, functions: list[str], others: bool
) -> None:
    """Those that it was trained on, if it calls them better than its base; others likewise."""
    adapter = load_adapter(str(published(niche=calling_niche(), calls=scores)))

    assert [function["name"] for function in adapter.functions] == functions
    assert adapter.other_functions == others
    text = (adapter.path / "README.md").read_text(encoding="utf-8")
    assert ("## Calls of functions" in text) == (scores is not None)
    assert ("requests that describe any other go to the generalist" in text) == (
        bool(functions) and not others
    )
