"""The command, without a run."""

import json

import pytest

from loadtests.bench.__main__ import is_loopback, main


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("192.0.2.1", False)],
    ids=["IPv4", "a name", "IPv6", "another machine"],
)
def test_only_addresses_of_this_machine_are_loopback(host: str, local: bool) -> None:
    """By what a name means, not by what it says."""
    assert is_loopback(host) is local


def test_another_machine_is_not_loaded_by_accident(capsys) -> None:
    """The error names the option that allows it."""
    assert main(["beside", "--url", "http://192.0.2.1:8000", "--model", "m"]) == 2

    assert "--allow-remote" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--rounds", "0"], "--rounds"),
        (["--seconds", "1000"], "--seconds"),
        (["--clients", "1", "100000"], "--clients"),
        (["--only", "nothing"], "--only"),
    ],
    ids=["rounds", "seconds", "clients", "only"],
)
def test_a_run_is_bounded(options: list[str], named: str, tmp_path, capsys) -> None:
    """In rounds, seconds and clients."""
    assert main([*options, "--out", str(tmp_path)]) == 2

    assert named in capsys.readouterr().err


def test_a_missing_key_is_named(capsys) -> None:
    """Before anything is started."""
    url = ["--url", "http://127.0.0.1:1", "--model", "m"]

    assert main(["beside", *url, "--key-env", "NICHE_TEST_NO_SUCH_KEY"]) == 2
    assert "NICHE_TEST_NO_SUCH_KEY" in capsys.readouterr().err


@pytest.mark.slow
def test_the_bare_upstream_alone_can_be_measured(tmp_path, capsys) -> None:
    """It writes samples, a report for programs and one for people; a second run has no more to
    do."""
    options = ["--only", "bare", "--quick", "--seconds", "1", "--clients", "2"]
    options += ["--out", str(tmp_path)]

    assert main(options) == 0
    written = (tmp_path / "samples.jsonl").read_text()
    assert main(options) == 0

    found = json.loads((tmp_path / "bench.json").read_text())
    assert {(of["step"]["kind"], of["step"]["clients"]) for of in found["samples"]} == {
        ("whole", 2),
        ("streams", 2),
        ("capacity", 0),
        ("memory", 0),
    }
    assert "bare upstream" in (tmp_path / "bench.md").read_text()
    assert [line for line in (tmp_path / "samples.jsonl").read_text().splitlines()][
        : len(written.splitlines())
    ] == written.splitlines()
