"""Runs pip for `make`: `python -m cli.install LOG ARGUMENTS`. Needs only Python.

pip's output goes into the file LOG. The terminal shows the large downloads with their sizes and, if
pip fails, its errors and the name of the file.
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
        log: pip's output is appended to it.
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
        print(*errors[-_SHOWN_ERRORS:], f"pip failed; its whole output: {log}", sep="\n")
    else:
        print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
    return pip.returncode


def progress(line: str) -> str | None:
    """The message to show for a line of pip's output; None: show nothing."""
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    match = _DOWNLOAD.match(line)
    if match is None:
        return None
    how, place, number, unit = match.groups()
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
