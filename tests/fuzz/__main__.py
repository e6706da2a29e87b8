"""Fuzzes a gateway, and says what was found: `make fuzz`.

    python -m tests.fuzz [--cases N] [--seconds S] [--examples N] [--edge URL | --no-edge]

Four parts: schemathesis, in an environment of its own, asks a gateway with fake models what
`/openapi.json` describes, with a key and with a wrong one; hypothesis gives every dialect's parser
any JSON; and the corpus of malformed requests goes to that gateway, and to the door of a real
stack. Exits with 1 if any of them has a complaint, or too few cases were made.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import wire
from tests.fuzz.gateway import OPERATOR_KEY
from tests.fuzz.stack import stack

_HERE, _ROOT = Path(__file__).parent, Path(__file__).parents[2]
_ENVIRONMENT = _ROOT / "work" / "fuzz" / "bin"
_MOST_RUNS = 10
_WRONG_KEY = "sk-fuzz-wrong"


@dataclass(frozen=True)
class Found:
    """What a part found.

    Attributes:
        part: its name.
        cases: how many requests or examples it made; None: it does not say.
        failures: answers with a 5xx, where the part tells them apart.
        complaints: a line for everything that is not as described, the same among it.
    """

    part: str
    cases: int | None
    failures: int
    complaints: Sequence[str]


@contextmanager
def serving() -> Iterator[str]:
    """The address of a gateway in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz.gateway"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the gateway did not start; its stderr says why"
        yield address
        process.communicate()


def described(address: str, cases: int, seconds: int) -> Iterator[Found]:
    """What schemathesis finds: with new seeds until there are enough cases, then with a wrong
    key."""
    made = 0
    for run in range(_MOST_RUNS):
        found = _schemathesis(address, OPERATOR_KEY, f"openapi, run {run + 1}", seconds)
        made += found.cases or 0
        yield found
        if made >= cases or found.complaints:
            break
    if made < cases:
        yield Found("openapi", made, 0, [f"only {made} of {cases} cases were made"])
    yield _schemathesis(address, _WRONG_KEY, "openapi, wrong key", max(seconds // 10, 1))


def _schemathesis(address: str, key: str, part: str, seconds: int) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(str(_ENVIRONMENT / "st"), "--config-file", str(_HERE / "schemathesis.toml")),
            *("run", f"{address}/openapi.json", "--header", f"Authorization: Bearer {key}"),
            *("--workers", "2", "--max-time", str(seconds), "--continue-on-failure", "--no-color"),
            *("--generation-database", "none", "--report-json-path", str(report)),
        ]
        variables = {"NICHE_FUZZ_WRONG_KEY": "1"} if key == _WRONG_KEY else {}
        subprocess.run(command, cwd=_ROOT, env=os.environ | variables, check=False)
        told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
    if told is None:
        return Found(part, 0, 0, ["schemathesis did not run; its output says why"])
    failing = sum(of["count"] for of in told["failures"] if of["type"] == "ServerError")
    complaints = [
        f"{of['title']} ({of['count']}): {of.get('operations', '')}"
        for of in (*told["failures"], *told["errors"])
    ]
    return Found(part, told["test_cases"]["generated"], failing, complaints)


def parsed(examples: int) -> Found:
    """What hypothesis finds in the parsers, and in a gateway that is given any body."""
    files = ["tests/fuzz/test_dialects.py", "tests/gateway/test_any_body.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    variables = {"NICHE_FUZZ_EXAMPLES": str(examples)}
    done = subprocess.run(command, cwd=_ROOT, env=os.environ | variables, check=False)
    return Found("parsers", None, 0, ["pytest says why"] if done.returncode else [])


def malformed(where: wire.Where, address: str) -> Found:
    """What the corpus finds."""
    count, wrong = wire.differing(where, address)
    return Found(f"corpus, {where}", count, 0, wrong)


def main(arguments: Sequence[str]) -> int:
    """Runs all parts; returns the exit status."""
    asked = _parser().parse_args(arguments)
    found, started = [], time.monotonic()
    with serving() as address:
        found += described(address, asked.cases, asked.seconds)
        found.append(malformed("server", address))
    found.append(parsed(asked.examples))
    if asked.edge is not None:
        found.append(malformed("edge", asked.edge))
    elif not asked.no_edge:
        with stack() as address:
            found.append(malformed("edge", address))
    sys.stdout.write(_summary(found, time.monotonic() - started))
    return 1 if any(of.complaints for of in found) else 0


def _summary(found: Sequence[Found], seconds: float) -> str:
    rows = [f"{'part':24} {'cases':>7} {'5xx':>5} {'complaints':>11}"]
    for of in found:
        cases = "" if of.cases is None else of.cases
        rows.append(f"{of.part:24} {cases:>7} {of.failures:>5} {len(of.complaints):>11}")
    rows += [f"{of.part}: {line}" for of in found for line in of.complaints]
    return "\n".join(["", *rows, f"{seconds:.0f} s", ""])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="of schemathesis, at least")
    parser.add_argument("--seconds", type=int, default=300, help="of each run of schemathesis")
    parser.add_argument("--examples", type=int, default=200, help="of hypothesis, for each test")
    parser.add_argument("--edge", help="the address of a stack that runs, with the key of `wire`")
    parser.add_argument("--no-edge", action="store_true", help="without the door of a real stack")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
