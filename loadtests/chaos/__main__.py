"""`python -m loadtests.chaos`: parts of the stack die and hang in turn while 32 clients ask.

Prints what the clients saw, for each part, and writes it to `--out`. Exit codes: 0, no client saw
what none should; 1, one did; 2, it could not run.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from loadtests.chaos.report import faults, report
from loadtests.chaos.requests import Asked
from loadtests.chaos.run import Run, run
from loadtests.chaos.stacks import LITELLM_PLAN, PLAN, litellm, niche
from loadtests.chaos.victims import Victim
from loadtests.traffic.errors import LoadTestError

_DOOR_BAR_SECONDS = 2.0
_IMPOSSIBLE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the plan; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often each part is struck")
    parser.add_argument("--clients", type=int, default=32, help="requests at once")
    parser.add_argument("--litellm", type=Path, help="its environment, to strike LiteLLM as well")
    parser.add_argument("--only-litellm", action="store_true", help="not ours")
    parser.add_argument("--out", type=Path, default=Path("work/chaos"), help="folder of results")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    runs = []
    try:
        with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
            folder = Path(temporary)
            if not options.only_litellm:
                runs.append(_struck("Niche", niche(folder), PLAN, options))
            if options.litellm is not None:
                stack = litellm(folder, options.litellm)
                runs.append(_struck("LiteLLM", stack, LITELLM_PLAN, options))
    except (LoadTestError, LookupError) as error:
        print(f"chaos: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    text = report(runs)
    if len(runs) > 1:
        print(text)
    (options.out / "report.md").write_text(text + "\n", encoding="utf-8")
    return int(any(_fails(of) for of in runs if of.name == "Niche"))


def _struck(
    name: str,
    stack: AbstractContextManager[Asked],
    plan: Sequence[tuple[Victim, float]],
    options: argparse.Namespace,
) -> Run:
    with stack as asked:
        whole = [*plan] * options.rounds
        path = "/v1/models" if name == "Niche" else "/health/liveliness"
        done = asyncio.run(run(name, asked, whole, _say, clients=options.clients, door_path=path))
    print(report([done]), flush=True)
    with (options.out / f"{name.lower()}.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(result)) + "\n" for result in done.results)
    return done


def _fails(of: Run) -> bool:
    door, *counts = faults(of).values()
    return door > _DOOR_BAR_SECONDS or any(counts)


def _say(step: str) -> None:
    print(f"chaos: {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
