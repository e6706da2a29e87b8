"""Whether this machine can run llama.cpp, asked before it is loaded: a CPU without the instructions
of its build would end the process without a word."""

import platform
from collections.abc import Set
from importlib.util import find_spec
from pathlib import Path

_NEEDED = frozenset({"avx2", "fma", "f16c", "bmi2"})
_CPUINFO = Path("/proc/cpuinfo")


def missing() -> str | None:
    """What this machine lacks; None: nothing that is known."""
    if find_spec("xllamacpp") is None:
        return "the package xllamacpp is not installed, or has no wheel for this platform"
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        lacking = lacking_instructions(_CPUINFO)
        if lacking:
            return f"this CPU has no {', '.join(sorted(lacking))}"
    return None


def lacking_instructions(cpuinfo: Path) -> Set[str]:
    """The needed instructions that a CPU does not have; none if the file does not tell."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next(
        (line.partition(":")[2].split() for line in lines if line.startswith("flags")), None
    )
    return frozenset() if flags is None else _NEEDED - set(flags)
