"""`python -m loadtests.overload`: five and twenty times the requests that a stack can answer.

On this machine's loopback device alone. Exit codes: 0, measured; 2, it could not run; 130,
interrupted.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from loadtests.bench.stacks import Workspace
from loadtests.interruption import end_on_sigterm
from loadtests.overload.clients import Target, arriving, together
from loadtests.overload.report import Measured, markdown
from loadtests.overload.stacks import (
    Forwarding,
    Stack,
    Work,
    on_fake_engine,
    on_real_engine,
    upstream,
)
from loadtests.traffic.errors import LoadTestError

_BESIDE = ("niche", "litellm")
_OUT, _LITELLM = Path("work/overload"), Path("work/litellm")
_IMPOSSIBLE, _INTERRUPTED = 2, 130
_CLIENTS_PER_SLOT = 2
_MOST_SECONDS, _MOST_TIMES, _MOST_REQUESTS = 120.0, 100.0, 20_000
_CALM_SECONDS = 5.0
"""Between two loads, for what the first left."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.overload", description=__doc__)
    work = Work()
    parser.add_argument(
        "--only",
        choices=("niche", "litellm", "llama"),
        help="llama: ours on a real engine; default: niche, then litellm",
    )
    parser.add_argument("--times", type=float, nargs="+", default=[5.0, 20.0], metavar="N")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load (default: 60)")
    parser.add_argument("--slots", type=int, default=work.slots, help="requests at once")
    parser.add_argument("--work", type=float, default=work.seconds, help="seconds of an answer")
    parser.add_argument("--litellm", type=Path, default=_LITELLM, metavar="DIR")
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it; returns the exit code."""
    arguments = _parser().parse_args(argv)
    end_on_sigterm()
    try:
        _run(arguments)
    except LoadTestError as error:
        print(f"overload: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    except KeyboardInterrupt:
        print("overload: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _run(arguments: argparse.Namespace) -> None:
    if not 1 <= arguments.seconds <= _MOST_SECONDS:
        raise LoadTestError(f"--seconds {arguments.seconds:g}: from 1 to {_MOST_SECONDS:g}")
    if not all(0 < times <= _MOST_TIMES for times in arguments.times):
        raise LoadTestError(f"--times: above 0, at most {_MOST_TIMES:g}")
    work = Work(arguments.slots, arguments.work)
    stacks: dict[str, Stack] = {
        "niche": on_fake_engine(work),
        "litellm": Forwarding(arguments.litellm.absolute()),
        "llama": on_real_engine(),
    }
    chosen = [stacks[name] for name in ([arguments.only] if arguments.only else _BESIDE)]
    out, measured = arguments.out, []
    out.mkdir(parents=True, exist_ok=True)
    for stack in chosen:
        with tempfile.TemporaryDirectory(prefix="niche-overload-") as scratch:
            logs, key = out / "logs", f"sk-{secrets.token_urlsafe(24)}"
            with upstream(work, logs) as behind:
                workspace = Workspace(Path(scratch), logs, key, behind.server)
                with stack.start(workspace) as target:
                    measured += asyncio.run(_measure(stack.title, target, arguments, work))
        _write(out, measured)
    print(markdown(measured))


async def _measure(
    title: str, target: Target, arguments: argparse.Namespace, work: Work
) -> list[Measured]:
    clients = _CLIENTS_PER_SLOT * work.slots
    await together(target, clients, _CALM_SECONDS)  # the first requests find connections closed
    peak = (await together(target, clients, arguments.seconds / 3)).goodput
    if not peak:
        raise LoadTestError(f"{title} answered nothing; see its log in {arguments.out}/logs")
    print(f"overload: {title} answers {peak:.2f} requests a second", file=sys.stderr)
    measured = []
    for times in arguments.times:
        rate = min(times * peak, _MOST_REQUESTS / arguments.seconds)
        load = await arriving(target, rate, arguments.seconds)
        measured.append(Measured(title, times, peak, load))
        print(f"overload: {title} at {times:g} times that: done", file=sys.stderr)
        await asyncio.sleep(_CALM_SECONDS)
    return measured


def _write(out: Path, measured: Sequence[Measured]) -> None:
    """What was measured so far, for programs and for people."""
    text = json.dumps([asdict(of) for of in measured], indent=1)
    (out / "overload.json").write_text(f"{text}\n", encoding="utf-8")
    (out / "overload.md").write_text(f"{markdown(measured)}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
