"""`python -m loadtests.soak`: good clients and bad ones, and whether any process grows.

Prints the tables, and writes them with a plot and every sample to `--out`. Whether a process grows,
the reader says: of some thirty slopes one is beyond its noise by chance. Exit codes: 0, every good
client was answered; 1, one was not; 2, it could not run; 130, interrupted.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from loadtests.chaos.requests import Asked, Client, Outcome, Result
from loadtests.chaos.stacks import niche
from loadtests.interruption import end_on_sigterm
from loadtests.soak.clients import BadClients
from loadtests.soak.report import clients_report, plot, report
from loadtests.soak.samples import Sample, sampled
from loadtests.traffic.errors import LoadTestError

_IMPOSSIBLE, _INTERRUPTED = 2, 130
_MOST_SECONDS = 7200.0
_SAMPLES = 180


def main(argv: Sequence[str] | None = None) -> int:
    """Soaks a stack of its own; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="of the run (default: 1800)")
    parser.add_argument("--clients", type=int, default=8, help="good ones (default: 8)")
    parser.add_argument("--out", type=Path, default=Path("work/soak"), help="folder of results")
    options = parser.parse_args(argv)
    if not 0 < options.seconds <= _MOST_SECONDS:
        parser.error(f"--seconds {options.seconds:g}: at most {_MOST_SECONDS:g}")
    end_on_sigterm()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="soak-") as folder, niche(Path(folder)) as asked:
            found = asyncio.run(_soak(asked, options.seconds, options.clients))
    except LoadTestError as error:
        print(f"soak: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    except KeyboardInterrupt:
        print("soak: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return _written(*found, options.out)


async def _soak(
    asked: Asked, seconds: float, clients: int
) -> tuple[list[Sample], list[Result], Counter[tuple[str, str]]]:
    stopping, results, bad = asyncio.Event(), list[Result](), BadClients(asked)
    looking = asyncio.create_task(sampled(os.getpid(), seconds / _SAMPLES, stopping))
    asking = [
        asyncio.create_task(Client(asked, number, results.append).run(stopping))
        for number in range(clients)
    ]
    asking.append(asyncio.create_task(bad.run(stopping)))
    await asyncio.sleep(seconds)
    stopping.set()
    await asyncio.gather(*asking)
    return await looking, results, bad.seen


def _written(
    samples: Sequence[Sample], results: Sequence[Result], bad: Counter[tuple[str, str]], out: Path
) -> int:
    text = f"{report(samples)}\n\n{clients_report(results, bad)}\n"
    print(text)
    (out / "report.md").write_text(text, encoding="utf-8")
    with (out / "samples.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(of)) + "\n" for of in samples)
    plot(samples, out / "soak.png")
    return int(any(of.outcome is not Outcome.ANSWERED for of in results))


if __name__ == "__main__":
    sys.exit(main())
