"""The clients: what each is called, which version it has, and how its scenarios run."""

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path("tests/clients")
ENVIRONMENTS = Path("work/clients")

_PYTEST = ("-m", "pytest", "-q", "--tb=short", "--junitxml={report}", "--timeout=120")
_BARE = (
    "-c",
    "/dev/null",
    "--rootdir",
    str(HERE),
    "-o",
    "asyncio_mode=auto",
    "-p",
    "no:cacheprovider",
)
"""Of this repository's settings for pytest none apply in another environment."""


@dataclass(frozen=True)
class Client:
    """A column of the page.

    Attributes:
        name: as the command line takes it.
        title: the package, with its version.
        commands: run the scenarios, each with a report in JUnit's format at `{report}`.
    """

    name: str
    title: str
    commands: tuple[tuple[str, ...], ...]


def _of_this_environment(name: str, title: str, *files: str) -> Client:
    scripts = [str(HERE / file) for file in files]
    return Client(name, title, ((sys.executable, *_PYTEST, *scripts),))


def _of_its_own(name: str) -> Client:
    pinned = (ROOT / HERE / "environments" / f"{name}.txt").read_text(encoding="utf-8")
    title = pinned.partition("\n")[0].replace("==", " ")
    python = str(ENVIRONMENTS / name / "bin" / "python")
    return Client(name, title, ((python, *_PYTEST, *_BARE, str(HERE / f"{name}_client.py")),))


def _of_npm(package: str) -> str:
    pinned = json.loads((ROOT / HERE / "environments" / "package.json").read_text(encoding="utf-8"))
    return f"{package} {pinned['dependencies'][package]}"
