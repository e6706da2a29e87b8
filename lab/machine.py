"""The machine and the commit that figures were measured on, and the versions that matter."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("torch", "onnxruntime", "scikit-learn", "numpy")


def commit() -> str:
    """The commit of this checkout, marked if files differ from it; `unknown` outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():  # installed, perhaps inside another repository
        return "unknown"
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> str:
    """Processor, cores, Python and packages, on one line."""
    versions = [f"{name} {_version(name)}" for name in _PACKAGES]
    cores = f"{_processor()}, {os.cpu_count()} cores"
    return "; ".join((cores, f"Python {platform.python_version()}", *versions))


def _processor() -> str:
    """The processor's name: from /proc/cpuinfo on Linux, else from `platform`."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
