"""What is said of the machine and the commit that figures were measured on."""

from lab.machine import commit, machine


def test_the_machine_is_described_on_one_line() -> None:
    """Processor, cores and versions."""
    assert "\n" not in machine()
    assert " cores; Python 3." in machine()
    assert "onnxruntime " in machine()


def test_the_commit_is_one_word() -> None:
    """A checksum, or `unknown` where there is no checkout."""
    assert commit().split() == [commit()]
