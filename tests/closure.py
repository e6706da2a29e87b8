"""Counts the lines of this project that a serving process imports: of what each request passes.

    python -m tests.closure

It imports `gateway.app` and `deployments.server`, and prints the lines of each module that came
with them, and their sum. What a request does not pass is left out: evidence, page and tracing.
"""

import sys
from importlib import import_module
from pathlib import Path

ROOTS = ("gateway.app", "deployments.server")
PACKAGES = ("gateway", "router", "deployments")
ASIDE = ("gateway.evidence", "gateway.page", "gateway.tracing")


def imported_lines() -> dict[str, int]:
    """The lines of each module, the longest first."""
    for root in ROOTS:
        import_module(root)
    lines = {
        name: len(Path(module.__file__ or "").read_text(encoding="utf-8").splitlines())
        for name, module in list(sys.modules.items())
        if name.split(".")[0] in PACKAGES and not name.startswith(ASIDE)
    }
    return dict(sorted(lines.items(), key=lambda item: (-item[1], item[0])))


def main() -> None:
    found = imported_lines()
    rows = [f"{lines:6,}  {name}" for name, lines in found.items()]
    sys.stdout.write("\n".join([*rows, f"{sum(found.values()):6,}  in all"]) + "\n")


if __name__ == "__main__":
    main()
