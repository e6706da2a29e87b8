"""`niche plan`: its options, what it prints, and a line in place of a traceback."""

from pathlib import Path

import pytest

from cli.main import main
from tests.cli.commands import refused
from tests.lab.planning.test_measurements import load_test

GIVEN = (
    *("--mix", "sql=0.3", "general=0.7", "--seconds", "sql=0.5", "generalist=1.5"),
    *("--tokens", "sql=20", "generalist=60"),
)
STACK = """
generalist: {name: generalist, model: x, engine: fake, price: {machine_per_hour: 1}}
specialists:
  - {name: sql, model: x, engine: fake, domain: sql, price: {machine_per_hour: 0.2}}
"""


REMOTE = "engine: openai, engine_options: {base_url: http://far/v1}, price: {machine_per_hour: 1"


@pytest.fixture
def stack(tmp_path: Path) -> str:
    path = tmp_path / "niche.yaml"
    path.write_text(STACK)
    return str(path)


def test_a_plan_from_given_figures(capsys, stack) -> None:
    """Deployments, costs, and where the specialist pays."""
    assert main(["plan", "--config", stack, "--rps", "10", *GIVEN]) == 0

    shown = capsys.readouterr().out
    assert "generalist alone: USD" in shown
    assert "sql pays from" in shown


POOL = """
generalist: {name: generalist, model: x, engine: fake, price: {machine_per_hour: 1}}
specialists:
  - {name: sql, model: x, engine: fake, domain: sql, price: &price {machine_per_hour: 0.2}}
  - {name: law, model: x, engine: fake, domain: law, price: *price}
"""


def test_models_of_a_pool_are_one_deployment(capsys, stack) -> None:
    """Its row has its own name, and a line tells who shares it."""
    Path(stack).write_text(POOL)

    assert main(["plan", "--config", stack, "--rps", "10", *GIVEN]) == 0

    shown = capsys.readouterr().out.splitlines()
    rows = [line.split()[0] for line in shown if line.startswith(("generalist  ", "x  ", "law  "))]
    assert rows == ["generalist", "x"]
    assert [line for line in shown if line.startswith("x is") and "sql, law" in line]


SERVER = """
generalist: {name: generalist, model: x, engine: fake, price: {machine_per_hour: 1}}
specialists:
  - &adapter
    name: sql
    model: sql
    domain: sql
    engine: openai
    engine_options: {base_url: http://small:8000/v1}
    price: {machine_per_hour: 0.5}
  - {<<: *adapter, name: law, model: law, domain: law}
  - {<<: *adapter, name: tax, domain: tax, engine_options: {base_url: http://other:8000/v1}}
"""


def test_adapters_of_a_server_are_one_deployment(capsys, stack) -> None:
    """Its row has its URL for a name and costs what one machine does; others have theirs."""
    Path(stack).write_text(SERVER)

    assert main(["plan", "--config", stack, "--rps", "0.1", *GIVEN]) == 0

    shown = capsys.readouterr().out.splitlines()
    starts = ("http://small:8000/v1  ", "sql  ", "law  ", "tax  ")
    rows = {line.split()[0]: line.split()[-1] for line in shown if line.startswith(starts)}
    assert {"http://small:8000/v1": "0.5", "tax": "0.5"}.items() <= rows.items()
    assert {"sql", "law"}.isdisjoint(rows)
    assert [line for line in shown if line.startswith("http://small:8000/v1 is shared: sql, law ")]


def test_models_that_embed_are_not_planned_for(capsys, stack) -> None:
    """A line says so, and the plan is the same."""
    main(["plan", "--config", stack, "--rps", "10", *GIVEN])
    planned = capsys.readouterr().out.splitlines()
    Path(stack).write_text(f"{STACK}embeddings:\n  - {{name: vectors, model: x, engine: fake}}\n")
    main(["plan", "--config", stack, "--rps", "10", *GIVEN])

    *shown, last = capsys.readouterr().out.splitlines()
    assert (shown, last.split(":")[0]) == (planned, "vectors")


def test_a_plan_from_a_load_test(capsys, stack, tmp_path) -> None:
    """Which tells the mix too."""
    path = tmp_path / "report.json"
    path.write_text(load_test())

    assert main(["plan", "--config", stack, "--rps", "10", "--measured", str(path)]) == 0

    shown = capsys.readouterr().out
    assert "sql 100 %" in shown
    assert str(path) in shown


def test_a_remote_engines_seconds_are_not_trusted(capsys, stack) -> None:
    """Its server's work cannot be seen; a speed can be given."""
    Path(stack).write_text(STACK.replace("engine: fake, price: {machine_per_hour: 1", REMOTE))

    main(["plan", "--config", stack, "--rps", "10", *GIVEN])
    assert "--speed generalist=" in capsys.readouterr().out

    main(["plan", "--config", stack, "--rps", "10", *GIVEN, "--speed", "generalist=900"])
    assert "--speed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "replicas"),
    [
        pytest.param("price: {machine_per_hour: 1}", "15", id="a server of ours"),
        pytest.param("price: {prompt_per_million_tokens: 1}", "-", id="another's"),
        pytest.param("deployment: own, replicas: 30", "30", id="replicas of its own"),
    ],
)
def test_an_upstream_has_the_machines_of_its_server(capsys, stack, setting, replicas) -> None:
    """None where another runs it and is paid by the token; Ray reserves none in any case."""
    remote = STACK.replace(
        "engine: fake, price: {machine_per_hour: 1}", f"engine: openai, {setting}"
    )
    Path(stack).write_text(remote)

    main(["plan", "--config", stack, "--rps", "10", *GIVEN, "--speed", "generalist=40"])

    shown = capsys.readouterr().out.splitlines()
    [row] = [line.split() for line in shown if line.startswith("generalist  ")]
    assert row[3] == replicas


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], ["--mix"]),
        (["--mix", "sql=1"], ["sql"]),
        (["--mix", "sqll=1"], ["--mix", "sqll", "general, sql"]),
        (["--mix", "sql=0.2", "sql=0.3", "general=0.5"], ["--mix", "sql", "twice"]),
        (["--mix", "sql=1e308", "general=1e308", *GIVEN[3:]], ["--mix", "shares"]),
        (["--seconds", "sql=1", "sql=2"], ["--seconds", "sql", "twice"]),
        (["--tokens", "sql=1", "sql=2"], ["--tokens", "sql", "twice"]),
        (["--speed", "sql=1", "sql=2"], ["--speed", "sql", "twice"]),
        (["--seconds", "law=1"], ["--seconds", "law", "generalist, sql"]),
        (["--measured", "nowhere.json"], ["--measured", "nowhere.json"]),
        (["--measured", "README.md"], ["README.md"]),
        (["--metrics", "http://127.0.0.1:9/metrics"], ["--metrics", "http://127.0.0.1:9/metrics"]),
        (["--metrics", "nonsense"], ["--metrics", "nonsense"]),
    ],
    ids=" ".join,
)
def test_what_is_missing_is_named_in_a_line(capsys, stack, words, named) -> None:
    """The option, and what is wrong with it."""
    line = refused(capsys, "plan", "--config", stack, "--rps", "10", *words)

    assert [part for part in named if part not in line] == []
    assert "\n" not in line


@pytest.mark.parametrize(
    "words",
    [
        ["--rps", "0"],
        ["--rps", "many"],
        ["--rps", "1", "--mix", "sql"],
        ["--rps", "1", "--utilization", "1"],
    ],
    ids=" ".join,
)
def test_numbers_are_numbers(capsys, words) -> None:
    """argparse says which are not."""
    with pytest.raises(SystemExit):
        main(["plan", *words])

    assert "argument --" in capsys.readouterr().err


def test_the_help_needs_no_stack(capsys) -> None:
    """It is quick, and prints."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--help"])

    assert ended.value.code == 0
    assert "--measured" in capsys.readouterr().out
