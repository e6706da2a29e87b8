"""The command `niche`: what it prints, its exit codes, and a clear line in place of a traceback."""

import json
import os
import socket
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import main
from deployments.models.cache import cache_dir
from lab.specialists.registry import NICHES
from tests.cli.commands import refused

ROOT = Path(__file__).parents[2]
LOCAL_CACHE = cache_dir(os.environ)
STACK: dict[str, Any] = {
    "generalist": {"name": "big", "model": "tiny", "engine": "fake"},
    "specialists": [
        {"name": "sql", "model": "tiny", "engine": "fake", "domain": "sql", "adapter": "sql"}
    ],
}
COMMANDS = (
    *("serve", "demo", "models pull", "models list", "models convert", "route", "config check"),
    *("train", "evaluate", "benchmark", "compare", "replay", "plan"),
    *("specialists train", "specialists new", "specialists evaluate", "specialists curve"),
)
HEAVY = {"ray", "torch", "transformers", "peft", "sklearn", "scipy", "onnxruntime"}
"""What takes seconds to import."""


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No model is here, and none is fetched: the environment names an empty cache."""
    monkeypatch.setenv("NICHE_CACHE", str(tmp_path / "cache"))


def written(tmp_path: Path, **changes: Any) -> str:
    path = tmp_path / "niche.yaml"
    path.write_text(yaml.safe_dump(STACK | changes))
    return str(path)


def test_config_check_says_what_a_file_describes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A valid file is called valid, with a line for each model, its domain and its weights, and for
    each pool."""
    path = written(tmp_path)

    assert main(["config", "check", "--elsewhere", "--config", path]) == 0

    first, *models = capsys.readouterr().out.splitlines()
    assert first == f"{path}: valid"
    assert [line.split(maxsplit=2) for line in models] == [
        ["big", "general", "fake: tiny"],
        ["sql", "sql", "fake: tiny + adapter sql"],
        ["pool", "tiny:", "sql"],
    ]


def test_models_list_shows_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    """Every model of the lock file has a line, with its size and whether it is here."""
    locked = json.loads((ROOT / "deployments" / "models.lock").read_text())

    assert main(["models", "list"]) == 0

    _, *lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(locked)
    assert all(" MB " in line and " no " in line for line in lines)


def test_a_missing_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The remedy stands in the same line."""
    (said,) = refused(capsys, "serve", "--config", "nowhere.yaml").splitlines()

    assert "nowhere.yaml" in said
    assert "--config" in said


def test_a_faulty_file_has_a_line_for_each_fault(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Key and value stand in each line."""
    path = written(tmp_path, gateway={"port": 0}, colour="red")

    lines = refused(capsys, "serve", "--config", path).splitlines()

    assert len(lines) == 2
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any("gateway.port" in line and "0" in line.split("gateway.port")[1] for line in lines)
    assert any("colour" in line and "red" in line for line in lines)


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_stack_whose_models_are_not_here_does_not_start(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    """All that is to be pulled is said before anything starts, and one command gets it."""
    big = {"name": "big", "model": "smollm2-135m-instruct", "engine": "fake"}
    said = refused(capsys, command, "--config", written(tmp_path, generalist=big))

    assert said.splitlines() == [said]
    assert "niche models pull smollm2-135m-instruct all-minilm-l6-v2" in said


def test_a_store_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The path of the evidence is named before Ray starts."""
    store = str(tmp_path / "nowhere" / "evidence.db")
    path = written(tmp_path, gateway={"shadow": {"path": store}})

    said = refused(capsys, "serve", "--config", path)

    assert "gateway.shadow.path" in said
    assert store in said


def test_a_decision_log_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The path is named before Ray starts."""
    log = {"path": str(tmp_path / "nowhere" / "log")}
    path = written(tmp_path, observability={"decision_log": log})

    said = refused(capsys, "serve", "--config", path)

    assert "observability.decision_log.path" in said
    assert log["path"] in said


def test_route_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without the encoder there is no decision, and one line says how to get it."""
    said = refused(capsys, "route", "hello", "--config", written(tmp_path))

    assert said.splitlines() == [said]
    assert "niche models pull all-minilm-l6-v2" in said


def test_pulling_an_unknown_model_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    """The error names what there is."""
    said = refused(capsys, "models", "pull", "gpt-9")

    assert "'gpt-9'" in said
    assert "all-minilm-l6-v2" in said


def test_training_an_unknown_niche_lists_the_known(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The error names what there is."""
    said = refused(capsys, "specialists", "train", "poems", "--data-dir", str(tmp_path))

    assert "'poems'" in said
    assert ", ".join(NICHES) in said


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["fly"], id="an unknown command"),
        pytest.param(["config"], id="no action"),
        pytest.param(["serve", "--port", "http"], id="no number"),
        pytest.param(["train"], id="nowhere to write"),
    ],
)
def test_wrong_usage_exits_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """A command line that makes no sense shows how it would."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: niche")


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """As pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == ["niche", project["version"]]


def test_a_port_in_use_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that is taken is named before Ray starts."""
    monkeypatch.setenv("NICHE_CACHE", str(LOCAL_CACHE))  # the models of this machine, if any
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, "serve", "--config", written(tmp_path), "--port", str(port))

    if "models pull" in said:
        pytest.skip("the encoder is not in the local cache: run `niche models pull`")
    assert "gateway.port" in said
    assert f"127.0.0.1:{port}" in said
    assert "--port" in said


_EVERY_HELP = """
import contextlib, io, json, sys
from cli.main import main

def help_of(command):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return shown.getvalue()

print(json.dumps([{name: help_of(name) for name in COMMANDS}, sorted(sys.modules)]))
"""


def test_every_help_is_quick_and_shows_its_usage() -> None:
    """Neither Ray nor torch is loaded for the help of any command, or of any of its actions."""
    code = _EVERY_HELP.replace("COMMANDS", repr(COMMANDS))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    helps, loaded = json.loads(done.stdout)
    assert [
        name for name, text in helps.items() if not text.startswith(f"usage: niche {name} ")
    ] == []
    assert HEAVY & {*loaded} == set()


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """With a line on what it does."""
    with pytest.raises(SystemExit):
        main(["--help"])

    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {name.split()[0] for name in COMMANDS} <= listed


@pytest.mark.parametrize(
    ("words", "umask"),
    [(["init"], "77"), (["models", "list"], "22")],
    ids=["private", "models"],
)
def test_what_a_command_writes_is_its_user_s(tmp_path: Path, words: list[str], umask: str) -> None:
    """But for model files, which a cache may share; and no library reports to its makers."""
    code = (
        "import os; from cli.main import main; main();"
        "print(f'{os.umask(0):o}', os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        umask=0o022,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == f"{umask} 1"


@pytest.mark.parametrize("module", ["gateway.config", "cli.ray_environment"])
def test_what_is_imported_before_ray_does_not_import_it(module: str) -> None:
    """Ray reads its environment at import: whoever prepares it must come first."""
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [
        pytest.param(["models", "list"], "", id="when it ends"),
        pytest.param(["models", "list"], "1", id="while it prints"),
        pytest.param(["--help"], "", id="of the help"),
    ],
)
def test_a_reader_that_leaves_ends_a_command_quietly(arguments: list[str], unbuffered: str) -> None:
    """As in `niche models list | head -1`: no traceback, and the exit code of SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            cwd=ROOT,
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )

    assert (done.returncode, done.stderr) == (141, b"")


def test_the_module_is_the_command() -> None:
    """`python -m cli.main` does as `niche` does, exit code included."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "serve", "--config", "nowhere.yaml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("niche: nowhere.yaml: ")


def test_a_librarys_notes_to_developers_are_not_shown() -> None:
    """What transformers will rename concerns nobody who runs a command; other warnings do."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert main(["models", "list"]) == 0
        for module in ("transformers.modeling_utils", "lab.specialists.training.run"):
            warnings.warn_explicit("renamed", FutureWarning, "file.py", 1, module=module)

    assert len(seen) == 1
