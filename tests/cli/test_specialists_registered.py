"""`niche specialists add` and `remove`: the file changes, and nothing else in it."""

import shutil
from pathlib import Path

import pytest
import yaml

from cli.main import main
from gateway.config_file import load_config
from gateway.specialists.stack_file import StackFile
from tests.cli.commands import refused

SHIPPED = Path(__file__).parents[2] / "niche.yaml"
FILE = Path("niche.yaml")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory with the default stack."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SHIPPED, FILE)
    return tmp_path


def test_a_specialist_joins_the_pool_of_its_base() -> None:
    """And comes last; what was there stays as it was written."""
    assert main(["specialists", "add", "sums", "--adapter", "math", "--domain", "math"]) == 0

    config = load_config(FILE)
    assert config.specialists[-1].name == "sums"
    assert config.specialists[-1].domain == "math"
    [pool] = [pool for pool in config.pools if pool.shared]
    assert "sums" in pool.model_names
    assert len(config.pools) == 3
    assert FILE.read_text().startswith(SHIPPED.read_text().partition("\nembeddings:")[0])


@pytest.mark.parametrize(
    "arguments", [["add", "sums", "--adapter", "math", "--domain", "math"], ["remove", "math"]]
)
def test_another_models_missing_variable_keeps_nobody_away(arguments: list[str]) -> None:
    """It is perhaps set where the stack runs."""
    text = FILE.read_text()
    far = "  - {name: far, model: m, domain: tools, engine: openai, engine_options: &far\n"
    far += "      {base_url: 'http://x/v1', api_key_env: NICHE_TEST_UNSET}}\n"
    FILE.write_text(text.replace("specialists:\n", f"specialists:\n{far}", 1))

    assert main(["specialists", *arguments]) == 0


VLLM = """
generalist:
  name: big
  model: smollm2-135m-instruct
  engine: vllm
  engine_options: {max_model_len: 1024, default_temperature: 1}
  resources: {num_gpus: 1}
  replicas: 2
"""
BESIDE = """
specialists:
  - name: sql
    domain: sql
    model: smollm2-135m-instruct
    engine: vllm
    engine_options: {max_model_len: 512}
    replicas: 3
"""


@pytest.mark.parametrize(
    ("stack", "length", "replicas"),
    [(VLLM, 1024, 1), (VLLM + BESIDE, 512, 3)],
    ids=["the generalist", "a specialist, whose pool it joins"],
)
def test_the_engine_is_that_of_the_models_of_the_base(
    stack: str, length: int, replicas: int
) -> None:
    """With its process's options, also where none has an adapter yet: the default engine could not
    load that base."""
    FILE.write_text(stack)
    StackFile(FILE, lambda _: None).add("sums", "math", "math")

    config = load_config(FILE)
    added = config.specialists[-1]
    assert (added.engine, added.replicas) == ("vllm", replicas)
    assert added.engine_options == {"max_model_len": length, "default_temperature": 0}
    assert [pool.model_names for pool in config.pools][-1][-1] == "sums"
    assert added.resources.num_gpus == (1 if replicas == 1 else 0)


def test_what_was_added_can_be_removed() -> None:
    """Then the file is what it was, to the byte."""
    main(["specialists", "add", "sums", "--adapter", "math", "--domain", "math"])
    assert main(["specialists", "remove", "sums"]) == 0

    assert FILE.read_bytes() == SHIPPED.read_bytes()


@pytest.mark.parametrize("name", ["sql", "math", "support"])
def test_any_specialist_can_be_removed(name: str) -> None:
    """The first, one between, and the last; anchors and comments of others stay."""
    assert main(["specialists", "remove", name]) == 0

    before, after = load_config(SHIPPED), load_config(FILE)
    assert list(after.specialists) == [of for of in before.specialists if of.name != name]
    kept = [line for line in SHIPPED.read_text().splitlines() if "#" in line and name not in line]
    assert [line for line in FILE.read_text().splitlines() if "#" in line] == kept


def test_an_anchor_moves_to_where_it_is_needed_first() -> None:
    """The specialist that defined it may go."""
    example = SHIPPED.parent / "examples" / "laptop.yaml"
    shutil.copy(example, FILE)
    assert main(["specialists", "remove", "sql"]) == 0

    prices = [spec.price for spec in load_config(example).specialists[1:]]
    assert [spec.price for spec in load_config(FILE).specialists] == prices


def test_all_specialists_can_be_removed() -> None:
    """One after the other; the generalist is left."""
    for spec in load_config(SHIPPED).specialists:
        assert main(["specialists", "remove", spec.name]) == 0

    assert load_config(FILE).specialists == ()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["add", "sql", "--adapter", "sql"], ["'sql'", "another name"]),
        (["add", "law", "--adapter", "math"], ["law", "router.artifact"]),
        (["add", "math2", "--adapter", "nowhere"], ["nowhere", "biomed"]),
        (["add", "math2", "--adapter", "~nosuchuserx/math"], ["~nosuchuserx"]),
        (["remove", "law"], ["'law'", "sql"]),
        (["remove", "generalist"], ["'generalist'", "sql"]),
        (["remove", "sql", "--config", "none.yaml"], ["none.yaml"]),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], command: list[str], named: list[str]
) -> None:
    """With the name that is wrong."""
    said = refused(capsys, "specialists", *command)

    assert all(word in said for word in named)
    assert FILE.read_bytes() == SHIPPED.read_bytes()


def test_a_list_in_one_line_loses_its_item() -> None:
    """As JSON and short files have it."""
    FILE.write_text(
        "generalist: {name: big, model: m, engine: fake}\n"
        "specialists: [{name: sql, domain: sql, model: m, engine: fake}, "
        "{name: math, domain: math, model: m, engine: fake}]\n"
    )
    assert main(["specialists", "remove", "sql"]) == 0

    assert [of["name"] for of in yaml.safe_load(FILE.read_text())["specialists"]] == ["math"]
