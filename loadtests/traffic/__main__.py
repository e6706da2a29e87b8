"""`python -m loadtests.traffic SCENARIO`: a scenario against the local stack or a running one,
and optionally again with one model for everything, as the baseline.

Each arm is a run of Locust in a process of its own. Exit codes: 0, the first arm met
all its objectives; 1, it missed one; 2, the test could not run.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.report import comparison_table, read_report
from loadtests.traffic.scenario import names, read_scenario
from loadtests.traffic.stack import free_port, running, serve_command

_LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
_OUT = Path("work/load")
_MISSED, _IMPOSSIBLE = 1, 2
_REPORT = "report.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.traffic",
        allow_abbrev=False,  # unknown options are passed on unchanged
        description="Runs a load test. Other options go to Locust, such as --slo "
        "NAME=LIMIT, --warm-up N, --api-key-env NAME, --processes N.",
    )
    parser.add_argument("scenario", help=f"{', '.join(names())}, or a YAML file")
    parser.add_argument("--host", metavar="URL", help="a running server (default: start the stack)")
    parser.add_argument("--config", type=Path, default=Path("niche.yaml"), help="the stack's")
    parser.add_argument("--seconds", type=float, help="duration, instead of the scenario's")
    parser.add_argument("--times", type=float, default=1.0, help="multiple of the scenario's rate")
    parser.add_argument(
        "--baseline",
        nargs="?",
        const="generalist",
        metavar="MODEL",
        help="then repeat the run with all requests to this model (default: generalist)",
    )
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it; returns the exit code."""
    arguments, more = _parser().parse_known_args(argv)
    try:
        return _run(arguments, more)
    except LoadTestError as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return _IMPOSSIBLE


def _run(arguments: argparse.Namespace, more: list[str]) -> int:
    scenario = read_scenario(arguments.scenario)
    arms: dict[str, str] = {"auto": scenario.model}
    if arguments.baseline is not None:
        arms["baseline"] = arguments.baseline
    if arguments.host is not None:
        server = Server(arguments.host)
        stack: AbstractContextManager[object] = nullcontext()
    else:
        port = free_port()
        server = Server(f"http://127.0.0.1:{port}")
        start = serve_command(arguments.config, port)
        stack = running(start, server, arguments.out / "stack.log")
    codes: dict[str, int] = {}
    with stack:
        for arm, model in arms.items():
            folder = arguments.out / arm
            codes[arm] = _locust(arguments, more, server, (folder, model))
            if codes[arm] not in (0, _MISSED):
                raise LoadTestError(f"Locust ended with exit code {codes[arm]}")
    if len(arms) > 1 and "--worker" not in more:  # the master has the reports of its workers
        _show(arguments.out, arms)
    return codes["auto"]


def _locust(
    arguments: argparse.Namespace, more: list[str], server: Server, arm: tuple[Path, str]
) -> int:
    folder, model = arm
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _REPORT).unlink(missing_ok=True)
    options: dict[str, object] = {
        "--host": server.url,
        "--scenario": arguments.scenario,
        "--model": model,
        "--times": arguments.times,
        "--html": folder / "locust.html",
        "--report": folder / _REPORT,
        "--loglevel": "WARNING",
    }
    if arguments.seconds is not None:
        options["--seconds"] = arguments.seconds
    options_given = [str(word) for pair in options.items() for word in pair]
    print(f"loadtests: {arguments.scenario}, model {model}, at {server.url}", flush=True)
    locust = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE), "--headless"]
    return subprocess.run(
        [*locust, "--only-summary", *options_given, *more], check=False
    ).returncode


def _show(out: Path, arms: Mapping[str, str]) -> None:
    reports = {model: read_report(out / arm / _REPORT) for arm, model in arms.items()}
    table = comparison_table(reports)
    print(f"\n{table}")
    path = out / "summary.md"
    path.write_text(f"{table}\n", encoding="utf-8")
    print(f"\n{path}: written", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
