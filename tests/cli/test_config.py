"""`niche config`: what shares replicas is shown; `migrate` writes a new file beside the old one."""

from pathlib import Path

import pytest

from cli.main import main

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

    assert main(["config", "check", "--config", str(path)]) == 0

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

    main(["config", "check", "--config", str(path)])

    shown = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert {"big": "general", "a": "sql", "vectors": "embedding"}.items() <= dict(shown).items()


def test_the_check_wants_the_variable_of_a_redis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the gateway would not start. The server itself need not be there."""
    pytest.importorskip("redis", reason="the extra `redis` is not installed")
    path = tmp_path / "niche.yaml"
    path.write_text(f"{STACK}gateway: {{response_store: {{redis_url_env: NICHE_TEST_REDIS}}}}")

    assert main(["config", "check", "--config", str(path)]) == 2
    assert "NICHE_TEST_REDIS" in capsys.readouterr().err
    monkeypatch.setenv("NICHE_TEST_REDIS", "redis://nowhere.invalid")
    assert main(["config", "check", "--config", str(path)]) == 0


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
