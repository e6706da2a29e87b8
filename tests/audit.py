"""Asks the advisory database about the pinned dependencies' vulnerabilities: `make audit`.

    python -m tests.audit PIP_AUDIT FILE...

Exit codes: 0, the database knows the pins and nothing against them; 1, it names vulnerabilities;
2, it could not be asked, which says nothing about the pins. pip-audit itself ends with 0 where a
mirror of the package index answers that it has no advisories.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ASKED, _VULNERABLE, _NOT_ASKED = 0, 1, 2


@dataclass(frozen=True)
class Finding:
    """What an audit found: an exit code, and lines for who asked."""

    code: int
    lines: tuple[str, ...]


def finding(report: str, errors: str) -> Finding:
    """What pip-audit's report in JSON says; without one, its last error does."""
    try:
        entries: Sequence[Mapping[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return Finding(_NOT_ASKED, (f"not audited: {last}",))
    skipped = [str(of["skip_reason"]) for of in entries if "skip_reason" in of]
    if len(skipped) == len(entries):
        why = skipped[0] if skipped else "there are no pins"
        remedy = "audit where https://pypi.org/pypi is reachable itself, and not a mirror of it"
        return Finding(_NOT_ASKED, (f"not audited: {why}; {remedy}",))
    known = [
        f"{of['name']} {of['version']}: {each['id']}, fixed in {each['fix_versions'] or 'nothing'}"
        for of in entries
        for each in of.get("vulns", ())
    ]
    asked = f"{len(entries) - len(skipped)} pins audited, {len(known)} vulnerabilities"
    return Finding(_VULNERABLE if known else _ASKED, (*known, *skipped, asked))


def main(pip_audit: str, *files: str) -> int:
    """Audits each file of pins; returns the exit code, the gravest of all."""
    codes = []
    for file in files:
        # Every pin is there, so nothing has to be resolved, nor installed.
        command = [pip_audit, "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        done = subprocess.run(
            [*command, "--format", "json", "--requirement", file],
            capture_output=True,
            text=True,
            check=False,
        )
        found = finding(done.stdout, done.stderr)
        sys.stdout.writelines(f"{file}: {line}\n" for line in found.lines)
        codes.append(found.code)
    # What was not asked hides what would have been found, but not what was.
    return _VULNERABLE if _VULNERABLE in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
