"""The real Prometheus and its promtool: `python -m tests.monitoring.tools` gets them once.

They are Debian's; nothing is installed. Where they are on the PATH those are used.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deployments.models.cache import cache_dir

_FOLDER = cache_dir(os.environ) / "tools" / "prometheus"
_PACKAGE = "prometheus"


def _program(name: str) -> Path | None:
    fetched = _FOLDER / "usr" / "bin" / name
    found = shutil.which(name) or (str(fetched) if fetched.is_file() else None)
    return Path(found) if found else None


PROMETHEUS, PROMTOOL = _program("prometheus"), _program("promtool")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None or PROMTOOL is None,
    reason="no prometheus and promtool here; run: make monitoring-tools",
)


def fetch() -> str:
    """Gets them where they are missing; says where they are.

    Raises:
        SystemExit: this system has no apt.
    """
    if _program("promtool") is not None:
        return f"{_program('promtool')}"
    if shutil.which("apt-get") is None:
        sys.exit("no apt-get here: install Prometheus so that its promtool is on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        download = ["apt-get", "--option", "APT::Sandbox::User=root", "download", _PACKAGE]
        subprocess.run(download, cwd=folder, check=True)
        [package] = Path(folder).glob("*.deb")
        unpacked = Path(folder) / "unpacked"
        subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
        _FOLDER.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(unpacked, _FOLDER, symlinks=True, dirs_exist_ok=True)
    return str(_FOLDER)


if __name__ == "__main__":
    print(fetch())  # noqa: T201 - a command prints
