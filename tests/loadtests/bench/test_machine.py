"""What the figures were measured on."""

from pathlib import Path

from loadtests.bench.machine import commit, describe_machine, describe_processor, describe_versions

CPUINFO = """processor\t: 0
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
flags\t\t: fpu avx2 avx512f avx512_vnni

processor\t: 1
model name\t: another
flags\t\t: fpu
"""


def test_a_processor_has_a_name_and_the_flags_that_matter() -> None:
    """Of the first core."""
    assert describe_processor(CPUINFO) == {
        "processor": "AMD EPYC",
        "family": {"cpu family": "25", "model": "17"},
        "flags": ["avx2", "avx512f", "avx512_vnni"],
    }


def test_a_machine_without_cpuinfo_has_a_name() -> None:
    """And no flags."""
    found = describe_processor("")

    assert found["processor"]
    assert found["flags"] == []


def test_the_machine_is_described() -> None:
    """With cores and memory."""
    found = describe_machine()

    assert found["cores"] >= 1
    assert found["memory_bytes"] > 0


def test_versions_are_of_the_serving_path_and_of_what_is_compared() -> None:
    """What is not there is None."""
    found = describe_versions({"wrk": None})

    assert found["ray"]
    assert found["wrk"] is None


def test_outside_git_there_is_no_commit(tmp_path: Path) -> None:
    """It says so."""
    assert commit(tmp_path) == "unknown"
