"""Our top-level names are common words: nobody else in the environment may own one of them."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = "niche-gateway"
NAMES = ("gateway", "router", "deployments", "lab", "cli")


@pytest.fixture(scope="module")
def installed() -> None:
    try:
        distribution(OURS)
    except PackageNotFoundError:
        pytest.skip(f"{OURS} is not installed here: run `make install-dev`, or `pip install -e .`")


@pytest.mark.parametrize("name", NAMES)
def test_no_other_distribution_owns_our_name(name: str) -> None:
    """Two owners of a name overwrite each other's files, and one's removal deletes both's."""
    assert set(packages_distributions().get(name, ())) <= {OURS}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", NAMES)
def test_our_name_means_this_checkout_from_anywhere(name: str, tmp_path: Path) -> None:
    """A process that starts elsewhere, as a Ray worker may, imports from this checkout."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}; print({name}.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stderr == ""
    assert Path(done.stdout.strip()).resolve() == (ROOT / name / "__init__.py").resolve()


@pytest.mark.usefixtures("installed")
def test_the_command_is_installed() -> None:
    """The distribution brings the command `niche`."""
    scripts = {entry.name: entry.value for entry in distribution(OURS).entry_points}

    assert scripts == {"niche": "cli.main:main"}
