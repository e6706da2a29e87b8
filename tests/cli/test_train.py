"""`niche train` and `niche evaluate`: their options, and a line in place of a traceback."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from cli.main import main
from cli.train import setting
from deployments.models.cache import cache_dir
from gateway.config_file import parse_config
from router.config import RouterConfig
from tests.cli.commands import refused
from tests.router.fakes import toy_rows

LOCAL_CACHE = cache_dir(os.environ)
EVALUATE = ("evaluate", "default")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working directory, without a niche.yaml, and no model at hand."""
    monkeypatch.setenv("NICHE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A file of prompts that suffice."""
    rows = [{"text": row.text, "domain": row.domain} for row in toy_rows()]
    return written(tmp_path / "data.jsonl", *rows)


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--out", "a"], ["--data", "--from-log", "--data-dir"]),
        (["train", "--out", "a", "--from-log", "x"], ["--from-log", "--feedback"]),
        (["train", "--out", "a", "--data", "x", "--feedback", "y"], ["--from-log", "--feedback"]),
        (["train", "--out", "a", "--data", "x", "--delta", "0.1"], ["--delta", "--alpha"]),
        (["train", "--out", "a", "--data", "x", "--steps", "9"], ["--steps", "--fine-tune"]),
        (["train", "--out", "a", "--data", "x", "--config", "y.yaml"], ["y.yaml"]),
        (["train", "--out", "a", "--data", "nowhere.jsonl"], ["nowhere.jsonl"]),
        (["train", "--out", "a", "--data-dir", "nowhere"], ["nowhere"]),
        ([*EVALUATE], ["--data", "--set"]),
        ([*EVALUATE, "--set", "clinc150"], ["--set", "--data-dir"]),
        ([*EVALUATE, "--data", "x", "--data-dir", "y"], ["--set", "--data-dir"]),
        ([*EVALUATE, "--data", "nowhere.jsonl"], ["nowhere.jsonl"]),
        ([*EVALUATE, "--set", "mnist", "--data-dir", "."], ["'mnist'", "clinc150"]),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], named: list[str]
) -> None:
    """It names what is wrong, and nothing was written."""
    said = refused(capsys, *arguments)

    assert said.splitlines() == [said]
    assert [part for part in named if part not in said] == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("option", ["--alpha", "--max-misrouted"])
@pytest.mark.parametrize("value", ["0", "1", "-0.1", "much", "nan"])
def test_a_level_lies_between_0_and_1(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(SystemExit):
        main(["train", "--data", "x", "--out", "a", f"{option}={value}"])

    assert f"'{value}'" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_there_is_at_least_one_step(capsys: pytest.CaptureFixture[str], value: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(SystemExit):
        main(["train", "--data", "x", "--out", "a", "--fine-tune", f"--steps={value}"])

    assert f"'{value}'" in capsys.readouterr().err


def test_labels_with_a_space_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """However many rows have them; the labels, the rule and the file are named."""
    labels = ("computer science", "law", "Human Resources")
    rows = [{"text": f"{n} {label}", "domain": label} for n in range(50) for label in labels]
    file = written(tmp_path / "data.jsonl", *rows)

    said = refused(capsys, "train", "--data", file, "--out", "a")

    assert said.splitlines() == [said]
    for named in (file, "'computer science'", "'computer-science'", "'Human Resources'", "'-'"):
        assert named in said
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(("command", "name"), [("train", "thesis.txt"), ("evaluate", "thesis.txt")])
def test_a_folder_with_other_files_is_not_written_to(
    capsys: pytest.CaptureFixture[str], data: str, command: str, name: str
) -> None:
    """Neither an artifact nor a report: somebody's work."""
    out = Path("mine")
    out.mkdir()
    (out / name).write_text("all my work")
    target = [] if command == "train" else ["default"]

    assert main([command, *target, "--data", data, "--out", str(out)]) == 2

    mark = "artifact.json" if command == "train" else "report.md"
    said = capsys.readouterr().err
    assert "--out mine" in said
    assert mark in said
    assert [path.name for path in out.iterdir()] == [name]


def test_the_report_of_an_artifact_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], data: str
) -> None:
    """An evaluation has a folder of its own."""
    out = Path("mine")
    out.mkdir()
    (out / "artifact.json").write_text("{}")

    said = refused(capsys, *EVALUATE, "--data", data, "--out", str(out))

    assert "--out mine" in said


def test_a_file_is_no_folder(capsys: pytest.CaptureFixture[str], data: str) -> None:
    """What is in the way is named."""
    Path("mine").write_text("")

    assert main(["train", "--data", data, "--out", "mine"]) == 2

    assert "--out mine" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["train", "--out", "a"], [*EVALUATE]], ids=["train", "again"])
def test_the_encoder_is_that_of_niche_yaml(
    capsys: pytest.CaptureFixture[str], data: str, command: list[str]
) -> None:
    """The option goes before the file, the file before the default."""
    stack = {"generalist": {"name": "g", "model": "m"}, "router": {"encoder": "from/file"}}
    wanted = []
    for options in ([], ["--config", "my.yaml"], ["--encoder", "no-such-encoder"]):
        Path("my.yaml").write_text(yaml.safe_dump(stack))
        assert main([*command, "--data", data, *options]) == 2
        wanted.append(capsys.readouterr().err.splitlines()[-1])

    assert RouterConfig().encoder in wanted[0]
    assert "from/file" in wanted[1]
    assert "no-such-encoder" in wanted[2]


@pytest.mark.parametrize(
    ("alpha", "delta", "section"),
    [
        (None, None, {"artifact": "mine"}),
        (0.02, None, {"artifact": "mine", "guarantee": {"alpha": 0.02}}),
        (0.02, 0.1, {"artifact": "mine", "guarantee": {"alpha": 0.02, "delta": 0.1}}),
    ],
    ids=["plain", "alpha", "both"],
)
def test_the_setting_is_a_section_of_niche_yaml(
    alpha: float | None, delta: float | None, section: dict[str, Any]
) -> None:
    """What is printed can be pasted; what is the default is left out."""
    text = setting(Path("mine"), RouterConfig().encoder, alpha, delta)

    assert yaml.safe_load(text) == {"router": section}
    stack = {"generalist": {"name": "g", "model": "m"}, **yaml.safe_load(text)}
    assert parse_config(stack, "printed").router.artifact == "mine"


def test_another_encoder_is_part_of_the_setting() -> None:
    """An artifact works with its own encoder alone."""
    text = setting(Path("mine"), "org/encoder", None, None)

    assert yaml.safe_load(text)["router"]["encoder"] == "org/encoder"


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_router_is_fine_tuned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The adapter lies beside the artifact, and a checkpoint, also of another training, is gone."""
    monkeypatch.setenv("NICHE_CACHE", str(LOCAL_CACHE))  # the models of this machine, if any
    rows = [{"text": row.text, "domain": row.domain} for row in toy_rows(40)]
    train = ["train", "--data", written(tmp_path / "few.jsonl", *rows), "--out", "mine"]
    Path("mine").mkdir()
    torch.save({"origin": "another"}, "mine/checkpoint.pt")

    code = main([*train, "--fine-tune", "--steps", "2", "--max-misrouted", "0.3"])

    said = capsys.readouterr()
    if "models pull" in said.err:
        pytest.skip("the encoder is not in the local cache: run `niche models pull`")
    assert code == 0
    chosen = [line.split()[0] for line in said.out.splitlines() if line.endswith("chosen")]
    assert chosen == ["0.3"]
    kept = {path.name for path in Path("mine").iterdir()}
    assert kept >= {"adapter.safetensors", "artifact.json", "report.md"}
    assert "checkpoint.pt" not in kept
    assert main(["evaluate", "mine", *train[1:3]]) == 0


@pytest.mark.slow
def test_own_prompts_become_a_router_that_is_measured_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    """One command trains, another measures; the files that they name are there."""
    monkeypatch.setenv("NICHE_CACHE", str(LOCAL_CACHE))  # the models of this machine, if any

    code = main(["train", "--data", data, "--out", "mine", "--alpha", "0.5"])

    said = capsys.readouterr()
    if "models pull" in said.err:
        pytest.skip("the encoder is not in the local cache: run `niche models pull`")
    assert code == 0
    assert "router:\n  artifact: mine\n  guarantee: {alpha: 0.5}" in said.out
    assert {path.name for path in Path("mine").iterdir()} >= {
        *("artifact.json", "head.safetensors", "report.md", "confusion.png")
    }
    assert main(["evaluate", "mine", "--data", data, "--out", "again"]) == 0
    assert "accuracy" in capsys.readouterr().out
    assert "# Router: evaluation report" in Path("again/report.md").read_text()
