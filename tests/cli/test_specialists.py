"""`niche specialists`: from a file to a specialist, its curve, and lines for what cannot be."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import main
from cli.specialists_options import add_training, settings
from deployments.models.adapters import load_adapter
from deployments.models.checksum import sha256_of
from gateway.config_file import load_config
from lab.routing.dataset import read_rows
from lab.specialists.recipe import TrainConfig
from lab.specialists.registry import NICHES
from tests.cli.commands import refused
from tests.deployments.tiny_model import save_tiny_model
from tests.lab.specialists.toy_niche import toy_examples

STACK = """\
# mine
generalist: {name: big, model: base, engine: fake, price: {machine_per_hour: 0.5}}

specialists:
  - {name: law, domain: legal, model: base, engine: fake}  # by hand

router: {artifact: default}  # the shipped one
"""
NEW = ("specialists", "new", "toy", "--data", "toy.jsonl", "--base", "base")
QUICK = ("--epochs", "6", "--learning-rate", "0.02", "--batch-size", "4", "--threads", "1")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, base: Path) -> Path:
    """A working directory with a stack, a base model and examples; no other model is at hand."""
    monkeypatch.setenv("NICHE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "base").symlink_to(base)
    (folder / "niche.yaml").write_text(STACK)
    written("toy.jsonl", [{"prompt": e.prompt, "answer": e.answer} for e in toy_examples(60)])
    return folder


def written(name: str, rows: list[dict[str, Any]]) -> None:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_becomes_a_specialist(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Trained, graded, registered beside what was there, with prompts for the router."""
    assert main([*NEW, *QUICK]) == 0

    assert load_adapter("specialists/toy").base == "base"
    spec = load_config(Path("niche.yaml")).specialists[1]
    assert (spec.name, spec.domain, spec.adapter) == ("toy", "toy", "specialists/toy")
    assert spec.price.machine_per_hour == 0.5  # as the generalist, which is the same model
    assert spec.engine_options == {
        "max_context_tokens": 512,
        "default_max_tokens": 11,
        "default_temperature": 0,
    }
    before, after = STACK.split("\nrouter:")
    text = (here / "niche.yaml").read_text()
    assert text.startswith(before)
    assert text.endswith(f"\nrouter:{after}")
    assert files(here) == {"base", "niche.yaml", "specialists", "toy.jsonl", "work"}
    out = capsys.readouterr().out
    assert "toy.jsonl: " in out
    assert "specialists/toy: quality 1.000 [" in out
    assert "niche train --data specialists/toy/prompts.jsonl OTHERS.jsonl" in out
    assert "(legal, general)" in out
    assert "--data-dir" not in out


def test_a_new_specialist_joins_the_pool_of_its_base(here: Path) -> None:
    """Its engine, resources and the options of the process are those of the others."""
    pooled = (
        "  - {name: law, domain: legal, model: base, adapter: x, engine: llama, resources: "
        "{num_cpus: 1}, engine_options: {max_context_tokens: 256, default_max_tokens: 3}}"
    )
    lines = [pooled if "name: law" in line else line for line in STACK.splitlines()]
    (here / "niche.yaml").write_text("\n".join(lines))

    assert main([*NEW, *QUICK, "--epochs", "1"]) == 0

    config = load_config(Path("niche.yaml"))
    assert config.specialists[1].engine_options == {
        "max_context_tokens": 256,
        "default_max_tokens": 11,
        "default_temperature": 0,
    }
    assert config.specialists[1].resources.num_cpus == 1
    assert [pool.model_names for pool in config.pools][-1] == ("law", "toy")


def test_the_router_can_learn_the_prompts(here: Path) -> None:
    """Every prompt is there for its domain; those of the test are for the router's test alone."""
    assert main([*NEW, *QUICK, "--epochs", "1", "--no-config"]) == 0

    rows = read_rows(Path("specialists/toy/prompts.jsonl"))
    assert {row.text for row in rows} == {example.prompt for example in toy_examples(60)}
    assert {(row.domain, row.source) for row in rows} == {("toy", "toy.jsonl")}
    facts = json.loads(Path("specialists/toy/niche.json").read_text())
    assert sum(row.split == "test" for row in rows) == facts["test"]["examples"]
    assert (here / "niche.yaml").read_text() == STACK


def test_rows_of_default_domains_can_come_from_the_public_sets(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever adds to the default stack has no prompts of its domains: the option is named."""
    (here / "niche.yaml").write_text(STACK.replace("legal", "sql"))

    assert main([*NEW, *QUICK, "--epochs", "1"]) == 0

    out = capsys.readouterr().out
    assert "(sql, general)" in out
    assert "--data-dir" in out


def test_without_a_stack_the_entry_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """It can be added to any file later."""
    Path("niche.yaml").unlink()

    assert main([*NEW, *QUICK, "--epochs", "1"]) == 0

    out = capsys.readouterr().out
    shown = out[out.index("- name: toy") : out.index("The router does not know")]
    (entry,) = yaml.safe_load(shown)
    assert entry["adapter"] == "specialists/toy"
    assert not Path("niche.yaml").exists()


def test_a_specialist_is_replaced_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Without being asked nothing is overwritten; its entry in the stack stays as it is."""
    assert main([*NEW, *QUICK, "--epochs", "1"]) == 0
    capsys.readouterr()
    stack = Path("niche.yaml").read_text()

    said = refused(capsys, *NEW, *QUICK)
    assert "--out specialists/toy" in said
    assert "--replace" in said
    again = ("--epochs", "2", "--replace", "--work-dir", "work/again")
    assert main([*NEW, *QUICK, *again]) == 0

    (stage,) = json.loads(Path("specialists/toy/niche.json").read_text())["stages"]
    assert stage["config"]["epochs"] == 2
    assert Path("niche.yaml").read_text() == stack
    assert "niche.yaml" in capsys.readouterr().out


def test_an_entry_that_fits_no_more_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """By the old limit, the longer answers of new rows would be cut in silence."""
    assert main([*NEW, *QUICK, "--epochs", "1"]) == 0
    rows = [{"prompt": of.prompt, "answer": f"{of.answer} " * 4} for of in toy_examples(60)]
    written("toy.jsonl", rows)

    assert main([*NEW, *QUICK, "--epochs", "1", "--replace"]) == 0

    assert "{'default_max_tokens': 28}" in capsys.readouterr().out


def test_a_specialist_is_trained_anew_on_changed_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """The old rows' checkpoint stops a run, and says what would do; `--replace` starts again."""
    once = (*NEW, *QUICK, "--epochs", "1", "--no-config")
    assert main(once) == 0
    rows = [{"prompt": of.prompt, "answer": of.answer} for of in toy_examples(72)]
    written("toy.jsonl", rows)
    elsewhere = (*once, "--out", "other")

    assert main(elsewhere) == 2
    error = capsys.readouterr().err
    assert "checkpoint.pt" in error
    assert "max_examples" in error
    assert main([*once, "--replace"]) == 0

    assert "checkpoint.pt" in capsys.readouterr().out
    facts = json.loads(Path("specialists/toy/niche.json").read_text())
    (data,) = facts["datasets"].values()
    assert data == sha256_of(Path("toy.jsonl"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (["Toy"], ["'Toy'"]),
        (["auto"], ["'auto'"]),
        (["general"], ["'general'"]),
        (["law"], ["niche.yaml", "name 'law'", "model 'law'"]),
        (["legal"], ["niche.yaml", "domain 'legal'", "model 'law'"]),
        (["big"], ["niche.yaml", "name 'big'", "model 'big'"]),
        (["law", "--replace"], ["niche.yaml", "name 'law'"]),
        (["x", "--config", "no.yaml"], ["no.yaml", "--config"]),
        (["x", "--out", "."], ["--out .", "bad.jsonl, base"]),
        (["x", "--out", "toy.jsonl"], ["--out toy.jsonl"]),
        (["x", "--out", "toy.jsonl/x/y"], ["--out toy.jsonl/x/y"]),
        (["x", "--base", "gone"], ["'gone'"]),
        (["x", "--data", "no.jsonl"], ["no.jsonl"]),
        (["x", "--grader", "vibes"], ["'vibes'", "choice"]),
        (["x", "--test-data", "bad.jsonl"], ["bad.jsonl", "2", "answer"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_made_is_one_line(
    capsys: pytest.CaptureFixture[str], here: Path, changes: list[str], named: list[str]
) -> None:
    """It names what is wrong, and nothing was written."""
    written("bad.jsonl", [{"prompt": "a", "answer": "b"}, {"prompt": "a"}])
    there = files(here)

    said = refused(capsys, "specialists", "new", *NEW[3:], *changes)

    assert said.splitlines() == [said]
    assert [part for part in named if part not in said] == []
    assert files(here) == there
    assert (here / "niche.yaml").read_text() == STACK


@pytest.mark.parametrize(
    ("answer", "options", "named"),
    [
        ("a" * 600, [], ["toy.jsonl", "31", "627", "512"]),
        ("yes", ["--max-length-tokens", "40"], ["max_length_tokens=40"]),
        ("yes", ["--max-length-tokens", "999"], ["--max-length-tokens 999", "base", "512"]),
    ],
    ids=["too long a row", "no room for an answer", "beyond the context"],
)
def test_what_does_not_fit_is_refused_before_training(
    capsys: pytest.CaptureFixture[str],
    here: Path,
    answer: str,
    options: list[str],
    named: list[str],
) -> None:
    """Rows are named by their place in the file; no step is taken."""
    rows = [{"prompt": f"say {'a' * (n % 7)} {n}", "answer": "yes"} for n in range(60)]
    rows[30] = {"prompt": "say aaaa", "answer": answer}
    written("toy.jsonl", rows)

    assert main([*NEW, *options]) == 2

    error = capsys.readouterr().err
    assert [part for part in named if part not in error] == []
    assert files(here) == {"base", "niche.yaml", "toy.jsonl"}


def test_the_curve_of_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Each size is told when it is done, and the results are written where they are expected."""
    curve = ["specialists", "curve", "toy", *NEW[3:], *QUICK, "--epochs", "1", "--sizes", "4,all"]

    assert main(curve) == 0

    facts = json.loads(Path("work/toy-curve/curve/curve.json").read_text())
    assert [point["rows"] for point in facts["points"]][:2] == [0, 4]
    assert facts["points"][2]["rows"] > 40
    out = capsys.readouterr().out
    assert "4 rows: quality " in out
    assert files(Path("work/toy-curve/curve")) == {"curve.json", "curve.md", "curve.png"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["toy"], ["--data", "--data-dir"]),
        (["toy", "--data", "a", "--data-dir", "b"], ["--data", "--data-dir"]),
        (["poems", "--data-dir", "b"], ["'poems'"]),
        (["sql", "--data-dir", "b", "--grader", "json"], ["--grader", "--data"]),
        (["sql", "--data-dir", "nowhere"], ["'wikisql'", "nowhere"]),
    ],
    ids=" ".join,
)
def test_a_curve_that_makes_no_sense_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: list[str]
) -> None:
    """It names the options, or what is not there."""
    said = refused(capsys, "specialists", "curve", *arguments, "--base", "base")

    assert said.splitlines() == [said]
    assert [part for part in named if part not in said] == []


def test_more_rows_than_there_are_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Both numbers are shown, and nothing is trained."""
    assert main(["specialists", "curve", *NEW[2:], "--sizes", "900,all"]) == 2

    error = capsys.readouterr().err
    assert "--sizes" in error
    assert "900" in error
    assert not Path("work").exists()


@pytest.mark.parametrize("sizes", ["200,50", "50,50", "all,50", "0", "many", ""])
def test_sizes_grow(capsys: pytest.CaptureFixture[str], sizes: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(SystemExit):
        main(["specialists", "curve", "toy", "--sizes", sizes])

    assert "argument --sizes: " in capsys.readouterr().err


@pytest.mark.parametrize("action", ["train", "curve"])
def test_an_unknown_niche_lists_the_known(capsys: pytest.CaptureFixture[str], action: str) -> None:
    """The error names what there is."""
    said = refused(capsys, "specialists", action, "poems", "--data-dir", ".", "--base", "base")

    assert "'poems'" in said
    assert ", ".join(NICHES) in said


def test_the_help_names_every_niche(capsys: pytest.CaptureFixture[str]) -> None:
    """As the registry has them."""
    with pytest.raises(SystemExit):
        main(["specialists", "train", "--help"])

    assert ", ".join(NICHES) in " ".join(capsys.readouterr().out.split())


def asked(*options: str) -> TrainConfig:
    parser = argparse.ArgumentParser()
    add_training(parser)
    return settings(parser.parse_args(options), TrainConfig(epochs=3, seed=1, max_examples=100))


def test_a_recipe_is_run_as_it_is_unless_told_otherwise() -> None:
    """Options change what they name."""
    recipe = TrainConfig(epochs=3, seed=1, max_examples=100)

    assert asked() == recipe
    assert asked("--epochs", "5", "--seed", "0") == replace(recipe, epochs=5, seed=0)
    assert asked("--learning-rate", "0.1", "--validation-rows", "9") == replace(
        recipe, learning_rate=0.1, validation_examples=9
    )


def test_another_rank_keeps_the_scale() -> None:
    """The update counts as much, whatever its rank."""
    config = asked("--rank", "32")

    assert (config.rank, config.alpha) == (32, 64)
