"""pip as `make` runs it: `python -m cli.install LOG ARGUMENTS`. Needs nothing but Python.

pip's lines go into the file LOG. Shown are the large downloads, each with its size, and, when pip
fails, its errors and the name of the file.
"""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_DOWNLOAD = re.compile(r"\s*(Downloading|Using cached) (\S+) \((\d+(?:\.\d+)?) (MB|GB)\)")
_LARGE_MB = 10.0
_SHOWN_ERRORS = 5


def install(log: Path, command: Sequence[str]) -> int:
    """Runs pip and returns its exit code.

    Args:
        log: everything that pip says is added to it.
        command: pip with its arguments.
    """
    started, errors = time.monotonic(), []
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        ) as pip,
    ):
        assert pip.stdout is not None  # it is a pipe
        for line in pip.stdout:
            file.write(line)
            if line.startswith("ERROR:"):
                errors.append(line.rstrip())
            if shown := progress(line):
                print(f"  {shown}", flush=True)
    if pip.returncode:
        print(*errors[-_SHOWN_ERRORS:], f"pip failed; everything it said: {log}", sep="\n")
    else:
        print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
    return pip.returncode


def progress(line: str) -> str | None:
    """What a line of pip's is worth to a person who waits; None: nothing."""
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    found = _DOWNLOAD.match(line)
    if found is None:
        return None
    how, place, number, unit = found.groups()
    if unit == "MB" and float(number) < _LARGE_MB:
        return None
    package, version, *_ = place.rsplit("/", 1)[-1].split("-")
    cached = ", from pip's cache" if how == "Using cached" else ""
    return f"{package} {version} ({number} {unit}{cached})"


def main() -> int:
    """Installs with this interpreter's pip."""
    log, *arguments = sys.argv[1:]
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
    return install(Path(log), [*pip, "--progress-bar", "off", *arguments])


if __name__ == "__main__":
    sys.exit(main())
