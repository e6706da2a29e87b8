"""The recipe on a model of a few thousand weights: it learns, and a cut run ends as a whole one."""

import io
import math
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.models.adapters import load_adapter
from lab.specialists.errors import RecipeError
from lab.specialists.niche import Example
from lab.specialists.recipe import TrainConfig
from lab.specialists.training.train import TrainResult, train
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import make_niche
from tests.lab.specialists.training.terminal import Gone

CONFIG = TrainConfig(
    rank=4, learning_rate=0.02, batch_size=4, epochs=4, evaluate_every_steps=5, threads=1
)
"""Four epochs of 24 rows: 24 steps."""

NO_DATA = Path("unused")
ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def run(base: Path) -> Callable[..., TrainResult]:
    return lambda work, config=CONFIG, niche=None: train(
        niche or make_niche(), base, NO_DATA, work, config
    )


@pytest.fixture(scope="module")
def whole(
    run: Callable[..., TrainResult], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrainResult]:
    """A run that nothing cut, and what it says of itself."""
    work = tmp_path_factory.mktemp("whole")
    return work, run(work)


def adapter(work: Path) -> dict[str, torch.Tensor]:
    return load_file(work / "adapter" / "adapter_model.safetensors")


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def cut(run: Callable[..., TrainResult], work: Path, step: int) -> None:
    """Runs until the look at `step` is reported, which is after its checkpoint, and no further."""
    with redirect_stdout(Gone(f"step {step}:")), pytest.raises(BrokenPipeError):
        run(work)


def test_the_loss_falls(run, whole, tmp_path) -> None:
    """A few steps leave less than half of the loss that one step leaves."""
    once = replace(CONFIG, max_examples=4, epochs=1)

    before, (_, after) = run(tmp_path, once), whole

    assert (before.steps, after.steps) == (1, 24)
    assert after.validation_loss < before.validation_loss / 2


def test_the_result_says_what_was_done(whole) -> None:
    """Rows, steps, time and device are those of the run."""
    _, result = whole

    assert (result.examples, result.steps) == (24, 24)
    assert result.seconds >= 0
    assert result.device == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_same_settings_give_the_same_adapter(run, whole, tmp_path) -> None:
    """A recipe that is run again ends where it ended."""
    run(tmp_path)

    assert same(adapter(tmp_path), adapter(whole[0]))


def test_another_seed_gives_another_adapter(run, whole, tmp_path) -> None:
    """The seed starts the weights and draws the order."""
    run(tmp_path, replace(CONFIG, seed=1))

    assert not same(adapter(tmp_path), adapter(whole[0]))


@pytest.mark.parametrize("step", [5, 15, 24])
def test_a_cut_run_ends_as_an_uncut_one(run, whole, tmp_path, step: int) -> None:
    """Cut early, late, or after its last step: what is resumed ends with the same adapter."""
    cut(run, tmp_path, step)

    resumed = run(tmp_path)

    assert same(adapter(tmp_path), adapter(whole[0]))
    assert replace(resumed, seconds=0) == replace(whole[1], seconds=0)


@pytest.mark.slow
def test_a_killed_run_ends_as_an_uncut_one(run, base, tmp_path) -> None:
    """Killed at any moment, a run loses what came after its last checkpoint, and nothing else."""
    config = replace(CONFIG, epochs=12, patience=100)
    killed, uncut = tmp_path / "killed", tmp_path / "uncut"
    code = (
        "from pathlib import Path\n"
        "from lab.specialists.training.train import train\n"
        "from tests.lab.specialists.toy_niche import make_niche\n"
        "from lab.specialists.recipe import TrainConfig\n"
        f"train(make_niche(), Path({str(base)!r}), Path(), Path({str(killed)!r}), {config!r})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        while not (killed / "checkpoint.pt").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.001)
        process.kill()

    resumed, whole = run(killed, config), run(uncut, config)

    assert same(adapter(killed), adapter(uncut))
    assert replace(resumed, seconds=0) == replace(whole, seconds=0)


def test_a_cut_run_does_not_start_again(run, tmp_path) -> None:
    """What was done up to the last checkpoint is not done twice."""
    cut(run, tmp_path, 10)

    shown = io.StringIO()
    with redirect_stdout(shown):
        run(tmp_path)

    looks = [line.split(":")[0] for line in shown.getvalue().splitlines()]
    assert looks == ["step 15", "step 20", "step 24"]


def test_a_run_that_is_done_stays_done(run, whole) -> None:
    """Asking again answers at once with the same figures."""
    work, result = whole
    before = adapter(work)

    assert run(work) == result
    assert same(adapter(work), before)


def test_a_checkpoint_of_other_settings_is_refused(run, tmp_path) -> None:
    """A checkpoint is continued only by the run that wrote it; the error names what differs."""
    cut(run, tmp_path, 10)

    with pytest.raises(RecipeError, match=r"checkpoint\.pt.*\brank\b"):
        run(tmp_path, replace(CONFIG, rank=8))


def test_the_number_of_threads_may_change(run, tmp_path) -> None:
    """A run may go on on another machine."""
    cut(run, tmp_path, 10)

    assert run(tmp_path, replace(CONFIG, threads=None)).steps == 24


def test_training_stops_when_nothing_is_gained(run, tmp_path) -> None:
    """A rate that spoils the model ends the run after `patience` looks without a gain."""
    spoilt = replace(CONFIG, learning_rate=0.9, evaluate_every_steps=1, patience=2, epochs=10)

    result = run(tmp_path, spoilt)

    assert result.steps < 60
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param(Example("say it", ""), "example 1", id="empty"),
        pytest.param(Example("say it" * 100, "yes"), "max_length_tokens", id="too long"),
    ],
)
def test_a_bad_example_is_refused_before_training(run, tmp_path, bad: Example, message) -> None:
    """No step is taken, no file written: hours of training are not lost to one row."""
    with pytest.raises(RecipeError, match=message):
        run(tmp_path / "work", niche=make_niche([bad]))

    assert not (tmp_path / "work").exists()


def test_a_bad_example_is_found_where_it_stands(run, tmp_path) -> None:
    """The number counts the niche's own order, not that of the training."""
    rows = [Example("say" * n, "yes") for n in range(1, 40)]

    with pytest.raises(RecipeError) as refused:
        run(tmp_path, replace(CONFIG, max_length_tokens=130), make_niche(rows))

    named = {line.split(":")[0] for line in str(refused.value).splitlines()}
    assert named == {"train example 38", "train example 39"}


def test_a_loss_that_is_no_number_is_an_error(base: Path, tmp_path: Path) -> None:
    """Weights that were never any good are no adapter, nor is one that an earlier run left."""
    model = AutoModelForCausalLM.from_pretrained(base)
    torch.nn.init.constant_(model.lm_head.weight, math.nan)
    broken = tmp_path / "broken"
    model.save_pretrained(broken)
    AutoTokenizer.from_pretrained(base).save_pretrained(broken)
    once = replace(CONFIG, epochs=1)

    with pytest.raises(RecipeError, match="learning rate"):
        train(make_niche(), broken, NO_DATA, tmp_path / "work", once)

    train(make_niche(), base, NO_DATA, tmp_path / "again", once)
    (tmp_path / "again" / "checkpoint.pt").unlink()
    with pytest.raises(RecipeError, match="learning rate"):
        train(make_niche(), broken, NO_DATA, tmp_path / "again", once)


def test_what_is_trained_loads_as_an_adapter(base: Path, whole) -> None:
    """It has a card before it is published: base, system prompt, nothing added, no grammar."""
    found = load_adapter(str(whole[0] / "adapter"))

    assert (found.niche, found.base, found.system_prompt) == ("toy", str(base), "say it.")
    assert (found.complete, found.grammar) == (None, None)
