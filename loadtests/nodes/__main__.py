"""`python -m loadtests.nodes`: the chart's pods, as Ray nodes in network namespaces of this
machine, are updated, replaced, drained, scaled and killed while clients ask.

Needs root, redis-server and helm. Prints what the clients saw and writes it to `--out`. Exit codes:
0, no request was lost where none may be; 1, one was, or the cluster did not come to what was asked;
2, it could not run; 130, interrupted.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.bench.machine import commit, describe_machine, load_average
from loadtests.interruption import end_on_sigterm
from loadtests.nodes.cluster import ROOT, cluster
from loadtests.nodes.network import require
from loadtests.nodes.phases import PHASES
from loadtests.nodes.report import orderly, report
from loadtests.nodes.run import DEADLINE_SECONDS, LONG_TOKENS, TOKEN_SECONDS, Run, run
from loadtests.traffic.errors import LoadTestError

_IMPOSSIBLE, _INTERRUPTED = 2, 130
_FIRST_TOKEN_SECONDS = 15


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the phases; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.nodes", description=__doc__)
    parser.add_argument("--helm", type=Path, default=Path("helm"), help="the program")
    parser.add_argument("--chart", type=Path, default=ROOT / "helm/niche", help="its folder")
    parser.add_argument("--clients", type=int, default=32, help="requests at once")
    parser.add_argument("--seconds", type=float, default=900, help="limit of all phases")
    parser.add_argument("--only", nargs="+", help="phases, by the first word of their names")
    parser.add_argument("--out", type=Path, default=Path("work/nodes"), help="folder of results")
    options = parser.parse_args(argv)
    chosen = [of for of in PHASES if not options.only or of.name.startswith(tuple(options.only))]
    end_on_sigterm()
    out = options.out.resolve()
    try:
        require()
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        with cluster(options.helm, options.chart, values(_cache()), out) as running:
            limits = {"clients": options.clients, "seconds": options.seconds}
            return _written(asyncio.run(run(running, chosen, _say, **limits)), out)
    except LoadTestError as error:
        print(f"nodes: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    except KeyboardInterrupt:
        print("nodes: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _written(done: Run, out: Path) -> int:
    text = report(done)
    machine = describe_machine()
    made = (
        f"\nCommit {commit(ROOT)}; {machine['processor']}, {machine['cores']} cores;"
        f" load average at the end {load_average():.1f}.\n"
    )
    print(text + "\n" + made)
    (out / "report.md").write_text(text + "\n" + made, encoding="utf-8")
    with (out / "requests.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(of)) + "\n" for of in done.results)
    return int(orderly(done)[0] > 0 or done.turns[-1].fault)


def values(cache: Path) -> dict[str, Any]:
    """What differs from the chart's own values: one model without weights and shorter limits; and
    what needs pods' own volumes is off.

    Args:
        cache: the model files, of which the gateway needs its encoder.
    """
    model = {
        "name": "generalist",
        "model": "none",
        "engine": "fake",
        "engine_options": {
            "reply": " ".join(["word"] * LONG_TOKENS),
            "token_seconds": TOKEN_SECONDS,
        },
        "replicas": 4,
        "resources": {"num_cpus": 0.1},
    }
    limits = {
        "request_timeout_seconds": DEADLINE_SECONDS,
        "first_token_timeout_seconds": _FIRST_TOKEN_SECONDS,
        "token_timeout_seconds": _FIRST_TOKEN_SECONDS,
    }
    return {
        "niche": {"generalist": model, "gateway": limits},
        "autoscaler": {"enabled": False},
        "modelCache": {"mountPath": str(cache)},
        "monitoring": {"gateway": {"enabled": False}},
    }


def _cache() -> Path:
    return Path(os.environ.get("NICHE_CACHE") or Path.home() / ".cache" / "niche").resolve()


def _say(step: str) -> None:
    print(f"nodes: {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
