"""What the figures were measured on and with."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
"""What decides how fast the router's encoder is."""
_PACKAGES = ("niche-gateway", "ray", "uvloop", "httptools", "uvicorn", "torch", "onnxruntime")


def describe_machine() -> dict[str, Any]:
    """The processor, its vector instructions, memory and system."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {
        **describe_processor(text),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
    }


def describe_processor(cpuinfo: str) -> dict[str, Any]:
    """The processor's name and those of its flags that matter, from the text of /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set(fields.get("flags", "").split())
    name = fields.get("model name") or platform.processor() or platform.machine()
    return {
        "processor": name,
        "family": {key: fields[key] for key in ("cpu family", "model") if key in fields},
        "flags": [flag for flag in _FLAGS if flag in flags],
    }


def describe_versions(more: Mapping[str, str | None]) -> dict[str, str | None]:
    """The versions of Python, of the packages on the serving path, and of others."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        **more,
    }


def commit(root: Path) -> str:
    """The commit of the code, with `-dirty` if files differ from it; `unknown` outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def load_average() -> float:
    """Processes that wanted to run in the last minute, on average."""
    return os.getloadavg()[0]
