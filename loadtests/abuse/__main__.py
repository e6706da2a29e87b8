"""`python -m loadtests.abuse`: hostile clients, and a polite one beside them.

On this machine's loopback device alone. Prints what both saw, and each bar, and writes them to
`--out`; an interrupted run continues. Exit codes: 0, all bars were met; 1, one was missed; 2, it
could not run; 130, interrupted.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtests.abuse.attacks import ATTACKS
from loadtests.abuse.report import Measured, bars, fields, report
from loadtests.abuse.run import Plan, measure
from loadtests.abuse.stacks import Attacked, Keys, Stack, Started, on_fake_engine, on_llama
from loadtests.bench.__main__ import is_loopback
from loadtests.bench.machine import commit, describe_machine, load_average
from loadtests.interruption import end_on_sigterm
from loadtests.overload.clients import Target, arriving
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.probe import wait_until_ready

_ROOT = Path(__file__).resolve().parents[2]
_IMPOSSIBLE, _INTERRUPTED = 2, 130
_QUICK = Plan(rounds=1, seconds=5.0)
_MOST_ROUNDS, _MOST_SECONDS, _MOST_CLIENTS = 20, 120.0, 20_000
_WARM_UP_SECONDS, _RECOVERY_SECONDS = 5.0, 30.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.abuse", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=ATTACKS, metavar="ABUSE", help=f"of {', '.join(ATTACKS)}"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each abuse (default: 3)")
    parser.add_argument("--seconds", type=float, default=15, help="of each time (default: 15)")
    parser.add_argument("--clients", type=int, help="hostile ones; default: the abuse's own number")
    parser.add_argument(
        "--quick", action="store_true", help="one round of 5 s: shows that it works"
    )
    parser.add_argument("--host", metavar="URL", help="a running stack, on this machine")
    parser.add_argument("--keys", type=Path, help="with --host: its gateway.api_keys_file")
    parser.add_argument("--model", default="generalist", help="with --host: which is asked")
    parser.add_argument("--pid", type=int, help="with --host: its root process, for its memory")
    parser.add_argument(
        "--rate", type=float, default=2, help="with --host: polite requests a second"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run measured")
    parser.add_argument("--out", type=Path, default=Path("work/abuse"), help="folder of results")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it; returns the exit code."""
    options = _parser().parse_args(argv)
    end_on_sigterm()
    try:
        measured = _run(options)
    except LoadTestError as error:
        print(f"abuse: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    except KeyboardInterrupt:
        print("abuse: interrupted", file=sys.stderr)
        return _INTERRUPTED
    print(report(measured))
    return int(not all(bar.met for of in measured for bar in bars(of)))


def _run(options: argparse.Namespace) -> list[Measured]:
    plan, results = _plan(options), Results(options.out, options)
    chosen = options.only or list(ATTACKS)
    groups = [(_started(options), chosen)] if options.host else _grouped(chosen)
    for stack, abuses in groups:
        left = [name for name in abuses if name not in results.done]
        while left:  # an abuse that breaks a stack leaves the others to a new one
            _abuse(stack, left, plan, results)
    return [results.done[name] for name in chosen]


def _plan(options: argparse.Namespace) -> Plan:
    if not 1 <= options.rounds <= _MOST_ROUNDS:
        raise LoadTestError(f"--rounds {options.rounds}: from 1 to {_MOST_ROUNDS}")
    if not 1 <= options.seconds <= _MOST_SECONDS:
        raise LoadTestError(f"--seconds {options.seconds:g}: from 1 to {_MOST_SECONDS:g}")
    if options.clients is not None and not 1 <= options.clients <= _MOST_CLIENTS:
        raise LoadTestError(f"--clients {options.clients}: from 1 to {_MOST_CLIENTS:,}")
    if options.quick:
        return Plan(_QUICK.rounds, _QUICK.seconds, options.clients)
    return Plan(options.rounds, options.seconds, options.clients)


def _started(options: argparse.Namespace) -> Stack:
    host = urlsplit(options.host).hostname or ""
    if not is_loopback(host):
        raise LoadTestError(f"--host {options.host}: not this machine's loopback device")
    if options.keys is None:
        raise LoadTestError("--keys: needed with --host, to abuse one key beside another")
    keys = Keys.from_file(options.keys)
    target = Target(Server(options.host, keys.polite), options.model)
    return Started(Attacked(target, keys, options.pid), options.rate)


def _grouped(chosen: Sequence[str]) -> list[tuple[Stack, list[str]]]:
    stacks: dict[str, Stack] = {"fake": on_fake_engine(), "llama": on_llama()}
    return [
        (stack, [name for name in chosen if ATTACKS[name].stack == kind])
        for kind, stack in stacks.items()
    ]


def _abuse(stack: Stack, left: list[str], plan: Plan, results: "Results") -> None:
    """Does what is left until it is done or the stack is broken; takes away what was done."""
    log = results.folder / "logs" / f"{stack.title.replace(' ', '-')}.log"
    with (
        tempfile.TemporaryDirectory(prefix="niche-abuse-") as folder,
        stack.start(Path(folder), log) as attacked,
    ):
        asyncio.run(arriving(attacked.target, stack.rate, _WARM_UP_SECONDS))
        while left:
            name = left.pop(0)
            _say(f"{name}, of {stack.title}")
            results.add(asyncio.run(measure(name, attacked, stack.rate, plan)))
            if not wait_until_ready(attacked.target.server, _RECOVERY_SECONDS):
                _say(f"not ready {_RECOVERY_SECONDS:g} s after it")
                return


class Results:
    """What was measured so far, in a file that a later run continues.

    Args:
        folder: of the file.
        options: of the run; those that matter must be equal to continue it.

    Attributes:
        done: by the names of the abuses.

    Raises:
        LoadTestError: the file is of another run.
    """

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self._path = folder, folder / "abuse.json"
        settings = ("rounds", "seconds", "quick", "clients", "host", "model", "rate")
        self._about = {
            "commit": commit(_ROOT),
            "machine": describe_machine(),
            "settings": {name: getattr(options, name) for name in settings},
        }
        self.done: dict[str, Measured] = {}
        if options.fresh:
            self._path.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            about = {name: found[name] for name in self._about}
            self.done = {of["abuse"]: Measured.from_fields(of) for of in found["measured"]}
        except (ValueError, LookupError, TypeError) as error:
            raise LoadTestError(f"{self._path}: not a file of this command; remove it") from error
        if differs := [name for name, of in self._about.items() if about[name] != of]:
            raise LoadTestError(
                f"{self._path} is of a run with another {', '.join(differs)}: give another --out, "
                "or --fresh to start again"
            )

    def add(self, measured: Measured) -> None:
        """Keeps the result of an abuse."""
        self.done[measured.abuse] = measured
        written: dict[str, Any] = self._about | {
            "load_average": load_average(),
            "measured": [fields(of) for of in self.done.values()],
        }
        text = json.dumps(written, indent=1)
        self._path.write_text(f"{text}\n", encoding="utf-8")
        markdown = report(list(self.done.values()))
        (self.folder / "report.md").write_text(f"{markdown}\n", encoding="utf-8")


def _say(text: str) -> None:
    print(f"abuse: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
