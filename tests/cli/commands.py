"""How tests run `niche`."""

import pytest

from cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `niche` says on stderr when it cannot do as asked, after its own name."""
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("niche: ")
    return error.removeprefix("niche: ").removesuffix("\n")
