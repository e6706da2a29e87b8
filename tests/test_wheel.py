"""The wheel, unpacked and run in an empty folder: everything that is read at run time is in it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
PACKAGES = ("gateway", "router", "deployments", "lab", "cli", "loadtests")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this checkout, with the build tool of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    subprocess.run([sys.executable, "-m", "pip", *build], check=True, timeout=240)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `pip install` would put there."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def niche(site: Path, folder: Path, *arguments: str) -> str:
    """What the command of an unpacked wheel prints, run in a folder."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site), "NICHE_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_every_file_beside_the_code_is_in_the_wheel(wheel: Path) -> None:
    """Adapters, artifacts, the page, the lock file, training texts."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())

    files = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    ours = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    assert ours - packed == set()


def test_the_version_is_said(site: Path, tmp_path: Path) -> None:
    """That of the installed distribution."""
    assert niche(site, tmp_path, "--version").startswith("niche ")


def test_without_a_configuration_the_default_stack_is_used(site: Path, tmp_path: Path) -> None:
    """The file comes from the wheel, and the folder stays empty."""
    said = niche(site, tmp_path, "config", "check", "--elsewhere")

    assert str(site / "cli" / "niche.yaml") in said
    assert "generalist" in said
    assert list(tmp_path.iterdir()) == []


def test_the_default_models_are_known(site: Path, tmp_path: Path) -> None:
    """The lock file is read from the wheel."""
    assert "all-minilm-l6-v2" in niche(site, tmp_path, "models", "list")
