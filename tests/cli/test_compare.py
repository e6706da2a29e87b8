"""`niche compare`: from the command line to the report, over a real connection."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from tests.cli.commands import refused
from tests.deployments.upstream import serving
from tests.lab.comparison.toy_gateway import BIG, SQL, TOOLS, ToyGateway, toy_rows

GOOD = {BIG: {"sql": 0.3, "tools": 0.6, "general": 0.8}, SQL: {"sql": 0.9}, TOOLS: {"tools": 0.9}}


@pytest.fixture
def url() -> Iterator[str]:
    """A toy gateway's address; it serves on a thread of its own, for the command has a loop."""
    ready, done = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with serving(ToyGateway(GOOD).app()) as port:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(30)
    yield f"http://127.0.0.1:{ports[0]}/v1"
    done.set()
    thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Toy rows."""
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(toy_rows(12)))
    return path


def test_a_comparison_is_shown_and_written(
    url: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict first; both files beside the answers."""
    out = tmp_path / "results"

    code = main(["compare", "--data", str(data), "--out", str(out), "--base-url", url])

    assert code == 0
    shown = capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert shown.startswith(report["verdict"]["line"])
    assert f"{out / 'report.html'}: written" in shown
    assert {file.name for file in out.iterdir()} == {
        "models.json",
        "outcomes.jsonl",
        "report.html",
        "report.json",
    }


def test_a_report_for_others_has_no_texts(url: str, data: Path, tmp_path: Path) -> None:
    """Neither prompts nor answers; what was answered is kept for the next report."""
    out = tmp_path / "results"
    options = ["compare", "--data", str(data), "--out", str(out), "--base-url", url]

    reports = {}
    for more in ([], ["--without-texts"]):
        assert main([*options, *more]) == 0
        written = [(out / name).read_text() for name in ("report.json", "report.html")]
        reports[len(more)] = ["seven sql" in text for text in written]

    assert reports == {0: [True, True], 1: [False, False]}


def test_a_specialist_may_be_asked_alone_and_prices_given(
    url: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name, and from a file."""
    prices = tmp_path / "prices.yaml"
    prices.write_text(f"currency: EUR\nmodels: {{{SQL}: {{prompt_per_million_tokens: 1}}}}")
    out = tmp_path / "results"
    options = ["--arms", SQL, "--prices", str(prices), "--requests-per-hour", "60"]

    assert (
        main(["compare", "--data", str(data), "--out", str(out), "--base-url", url, *options]) == 0
    )

    figures = json.loads((out / "report.json").read_text())["figures"]
    assert (figures["currency"], figures["requests_per_hour"]) == ("EUR", 60)
    assert SQL in [arm["name"] for arm in figures["arms"]]
    assert SQL in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "--data"),
        (["--write-set", "x"], "--data-dir"),
        (["--data", "absent.jsonl"], "absent.jsonl"),
        (["--data", "DATA", "--judge-model", "x"], "--judge-url"),
        (["--data", "DATA", "--api-key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["--data", "DATA", "--api-key-env", "TWO_KEYS"], "the key in TWO_KEYS"),
        (["--data", "DATA", "--base-url", "here"], "'here'"),
        (["--data", "DATA", "--prices", "absent.yaml"], "absent.yaml"),
        (["--data", "DATA", "--cost", "free"], "list, attributed, capacity"),
        (["--write-set", "x", "--data-dir", ".", "--niches", "cooking"], "'cooking'"),
        (["--write-set", "x", "--data-dir", ".", "--ask-generalist", "so"], "zero-shot"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_named_in_a_line(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    named: str,
) -> None:
    """The option, the file or the value that is wrong."""
    monkeypatch.setenv("TWO_KEYS", "a\nb")
    given = [str(data) if option == "DATA" else option for option in options]

    error = refused(capsys, "compare", "--out", str(tmp_path / "out"), *given)

    assert named in error
    assert "\n" not in error


def test_a_gateway_that_is_not_there_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its address."""
    error = refused(
        capsys,
        *("compare", "--data", str(data), "--out", str(tmp_path / "out")),
        *("--base-url", "http://127.0.0.1:1/v1"),
    )

    assert "127.0.0.1:1/v1/models" in error


def test_results_of_something_else_are_not_mixed_up(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with other files is refused."""
    error = refused(capsys, "compare", "--data", str(data), "--out", str(tmp_path))

    assert "models.json" in error
