"""`niche config`: what shares replicas is shown; `migrate` writes a new file beside the old one."""

import socket
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from cli.faults import unheld_rights, unproven_guarantee
from cli.main import main
from gateway.config import GatewaySection, NicheConfig

OLD = "router: {max_batch: 8}  # a comment\r\n"
NEW = "router: {max_batch_size: 8}  # a comment\r\n"


STACK = """
generalist: {name: big, model: tiny, engine: fake}
specialists:
  - {name: a, model: tiny, engine: fake, domain: sql}
  - {name: b, model: tiny, engine: fake, domain: math}
  - {name: c, model: tiny, engine: fake, domain: math, deployment: own}
embeddings:
  - {name: vectors, model: tiny, engine: fake}
"""


def test_the_check_shows_the_pools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the models of each."""
    path = tmp_path / "niche.yaml"
    path.write_text(STACK)

    assert main(["config", "check", "--elsewhere", "--config", str(path)]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown if line.startswith("  pool ")] == [
        ["pool", "tiny:", "a,", "b"]
    ]


def test_the_check_shows_what_a_model_is_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its domain, or that it embeds."""
    path = tmp_path / "niche.yaml"
    path.write_text(STACK)

    main(["config", "check", "--elsewhere", "--config", str(path)])

    shown = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert {"big": "general", "a": "sql", "vectors": "embedding"}.items() <= dict(shown).items()


def test_the_check_refuses_a_section_that_is_there_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second one would drop what the first says, such as who may ask; the key is named, with
    both lines."""
    path = tmp_path / "niche.yaml"
    path.write_text("gateway: {api_keys_file: keys}" + STACK + "gateway: {port: 8001}\n")

    assert main(["config", "check", "--elsewhere", "--config", str(path)]) == 1

    [line] = capsys.readouterr().err.splitlines()
    assert all(word in line for word in ("line 9", "'gateway'", "line 1;"))


FAULTY = """
generalist: {name: big, model: ./nowhere.gguf, colour: red}
specialists:
  - {name: own, domain: unheard-of, model: smollm2-135m-instruct, adapter: ./mine}
  - {name: other, domain: math, model: other-base.gguf, adapter: sql}
  - {name: far, domain: sql, model: m, engine: openai,
     engine_options: {base_url: "http://far/v1", api_key_env: NICHE_NOT_SET}}
  - {name: far, domain: sql, model: m, engine: fake, engine_options: {colour: red}}
router: {min_confidence: 7}
gateway:
  port: 99999
  api_keys_file: keys
  shadow: {path: nowhere/evidence.db}
observability: {decision_log: {path: nowhere/decisions.jsonl}}
"""
PLACES = {
    "generalist.colour",
    "generalist.model",
    "specialists[0].domain",
    "specialists[0].adapter",
    "specialists[1].model",
    "specialists[1].adapter",
    "specialists[2].name",
    "specialists[2].engine_options.api_key_env",
    "specialists[3].engine_options.colour",
    "router.min_confidence",
    "gateway.port",
    "gateway.api_keys_file",
    "gateway.shadow.path",
    "observability.decision_log.path",
}


def checked(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> set[str]:
    """The keys of the faults that the check names; none if it finds the file valid."""
    code = main(["config", "check", str(path), *options])
    named = {line.split(": ")[1] for line in capsys.readouterr().err.splitlines()}
    assert code == (1 if named else 0)
    return named - {"router.encoder"}  # nobody may have pulled it here


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_redis_that_cannot_be_used_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway would not start without its URL, or its server."""
    pytest.importorskip("redis", reason="the extra `redis` is not installed")
    at = "gateway: {response_store: {redis_url_env: NICHE_TEST_REDIS}}"
    path = written(tmp_path / "niche.yaml", STACK + at)
    fault = {"gateway.response_store.redis_url_env"}

    assert checked(path, capsys) == fault
    assert checked(path, capsys, "--no-secrets") == set()
    monkeypatch.setenv("NICHE_TEST_REDIS", "redis://127.0.0.1:1")  # where nothing listens
    assert checked(path, capsys) == fault


@pytest.mark.parametrize("key", ["shadow", "response_store"])
def test_a_check_changes_no_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    """Another program's is a fault, and stays as it is."""
    file = tmp_path / "users.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE users (name TEXT)")
    before = file.read_bytes()
    path = written(tmp_path / "niche.yaml", f"{STACK}gateway: {{{key}: {{path: users.db}}}}")

    assert checked(path, capsys) == {f"gateway.{key}.path"}
    assert file.read_bytes() == before
    assert {of.name for of in tmp_path.iterdir()} == {"users.db", "niche.yaml"}


def test_every_fault_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of keys, models, adapters, variables, the router and files; relative paths are those beside
    the file."""
    (tmp_path / "niche").mkdir()
    path = written(tmp_path / "niche" / "niche.yaml", FAULTY)

    assert checked(path, capsys) >= PLACES
    (path.parent / "keys").write_text("a-key")
    (path.parent / "nowhere").mkdir()
    mended = {"gateway.api_keys_file", "gateway.shadow.path", "observability.decision_log.path"}
    assert checked(path, capsys).isdisjoint(mended)


@pytest.mark.parametrize("odd", ["~nosuchuserx/foo", "n" * 300], ids=["no home", "too long"])
def test_what_can_be_no_path_is_a_fault(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    odd: str,
) -> None:
    """As any other that is not there."""
    monkeypatch.chdir(tmp_path)
    generalist = f"generalist: {{name: big, model: {odd}.gguf}}"
    specialist = f"{{name: own, domain: math, model: smollm2-135m-instruct, adapter: {odd}}}"
    path = written(Path("niche.yaml"), f"{generalist}\nspecialists: [{specialist}]")

    assert checked(path, capsys) >= {"generalist.model", "specialists[0].adapter"}


@pytest.mark.parametrize(
    ("keys", "unheld"),
    [
        ("asks", {"`grader KEY`", "`operator KEY`"}),
        ("grader grades", {"`operator KEY`"}),
        ("operator operates", set()),
    ],
    ids=["nobody", "graders", "operators"],
)
def test_what_nobody_may_do_is_said(tmp_path: Path, keys: str, unheld: set[str]) -> None:
    """It is no fault: a stack may do without operators, and without graders."""
    edge = GatewaySection(api_keys_file=str(written(tmp_path / "keys", keys)))

    said = "".join(unheld_rights(edge))

    assert {mark for mark in ("`grader KEY`", "`operator KEY`") if mark in said} == unheld


@pytest.mark.parametrize(
    ("begins", "guarantee", "silent"),
    [
        ("shadow", "{alpha: 0.02}", "sql"),
        ("active", "{alpha: 0.02}", ""),
        ("shadow", "null", ""),
    ],
    ids=["in the shadow", "active", "no guarantee"],
)
def test_a_guarantee_that_does_not_hold_from_the_start_is_noted(
    begins: str, guarantee: str, silent: str
) -> None:
    """It is no fault: it holds once every domain has a specialist that proved itself."""
    stack = STACK.replace("domain: sql", f"domain: sql, initial_state: {begins}")
    stack = stack.replace("name: b,", "name: b, initial_state: shadow,")
    stack += f"router: {{guarantee: {guarantee}}}\ngateway: {{shadow: {{path: evidence.db}}}}"
    config = NicheConfig.model_validate(yaml.safe_load(stack))

    said = [note.split(" is active")[0].split()[-1] for note in unproven_guarantee(config)]

    assert said == ([silent] if silent else [])


def test_a_line_that_is_no_key_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault names the file and the line, and shows nothing of it."""
    written(tmp_path / "keys", "asks\noperator s3cret twice\n")
    path = written(tmp_path / "niche.yaml", STACK + "gateway: {api_keys_file: keys}")

    assert main(["config", "check", str(path)]) == 1
    fault = capsys.readouterr().err
    assert "line 2" in fault
    assert "s3cret" not in fault


def test_a_file_of_keys_that_is_not_utf_8_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault names the file and how to save it, and no byte of it."""
    (tmp_path / "keys").write_text("asks", encoding="utf-16")
    path = written(tmp_path / "niche.yaml", STACK + "gateway: {api_keys_file: keys}")

    assert main(["config", "check", str(path)]) == 1
    fault = capsys.readouterr().err
    assert str(tmp_path / "keys") in fault
    assert "save it as UTF-8" in fault
    assert "0xff" not in fault


def test_without_secrets_no_key_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever checks a file before it is deployed has none."""
    secret = {"gateway.api_keys_file", "specialists[2].engine_options.api_key_env"}
    path = written(tmp_path / "niche.yaml", FAULTY)

    assert checked(path, capsys, "--no-secrets").isdisjoint(secret)


def test_elsewhere_no_file_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The machines that run the stack have them; keys and domains are checked all the same."""
    path = written(tmp_path / "niche.yaml", FAULTY)

    left = {place for place in PLACES if place.rpartition(".")[2] not in {"model", "adapter"}}
    files = {"gateway.api_keys_file", "gateway.shadow.path", "observability.decision_log.path"}
    assert checked(path, capsys, "--elsewhere") == left - files


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vllm is installed here")
def test_elsewhere_no_engine_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The machines that run the stack have it; a line says whose options nobody has checked."""
    text = STACK.replace("engine: fake, domain", "engine: vllm, domain")
    path = written(tmp_path / "niche.yaml", text)

    assert main(["config", "check", str(path), "--elsewhere"]) == 0
    assert "engine_options of a, b, c are not checked" in capsys.readouterr().out
    assert checked(path, capsys) >= {f"specialists[{number}].engine" for number in range(3)}


@pytest.mark.parametrize("text", ["router: [", "[]", ""], ids=["no YAML", "a list", "empty"])
def test_a_file_that_is_no_configuration_is_a_fault(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the file itself."""
    path = written(tmp_path / "niche.yaml", text)

    assert main(["config", "check", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_a_port_that_is_taken_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stack could not listen there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"gateway: {{port: {taken.getsockname()[1]}}}"
        path = written(tmp_path / "niche.yaml", f"{STACK}\n{port}\n")
        assert checked(path, capsys) == {"gateway.port"}


@pytest.mark.parametrize("host", ["127.0.0.1:80", "nohost.invalid", "192.0.2.1"])
def test_a_host_that_is_no_address_of_this_machine_is_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """No other port would help."""
    path = written(tmp_path / "niche.yaml", f'{STACK}gateway: {{host: "{host}"}}')

    assert checked(path, capsys) == {"gateway.host"}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_one_to_listen_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While nobody else does."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        edge = f'gateway: {{host: "::1", port: {taken.getsockname()[1]}}}'
        path = written(tmp_path / "niche.yaml", f"{STACK}\n{edge}\n")
        assert checked(path, capsys) == {"gateway.port"}
    assert checked(path, capsys) == set()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "niche.yaml"
    path.write_bytes(OLD.encode())
    return path


def test_the_old_file_is_kept(file: Path) -> None:
    """Whoever regrets it has the old one, byte by byte."""
    assert main(["config", "migrate", str(file)]) == 0

    assert file.read_bytes() == NEW.encode()
    assert file.with_name("niche.yaml.old").read_bytes() == OLD.encode()


def test_a_file_without_old_names_is_left_alone(file: Path) -> None:
    """There is nothing to do, and nothing to keep."""
    file.write_bytes(NEW.encode())

    assert main(["config", "migrate", str(file)]) == 0

    assert [path.name for path in file.parent.iterdir()] == ["niche.yaml"]


def test_a_kept_file_is_not_overwritten(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command stops before it changes anything, and names it."""
    file.with_name("niche.yaml.old").write_text("precious")

    assert main(["config", "migrate", str(file)]) != 0

    assert "niche.yaml.old" in capsys.readouterr().err
    assert file.read_bytes() == OLD.encode()
    assert file.with_name("niche.yaml.old").read_text() == "precious"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"router: [", id="no YAML"),
        pytest.param(b"router: \xff", id="no text"),
        pytest.param(b"router: {max_batch: 1, max_batch_size: 2}", id="both names"),
    ],
)
def test_what_cannot_be_migrated_is_left_alone(
    file: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the file."""
    file.write_bytes(content)

    assert main(["config", "migrate", str(file)]) != 0

    assert str(file) in capsys.readouterr().err
    assert [path.name for path in file.parent.iterdir()] == ["niche.yaml"]


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is made of nothing."""
    assert main(["config", "migrate", str(tmp_path / "niche.yaml")]) != 0

    assert "niche.yaml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
