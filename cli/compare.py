"""`niche compare`: the routed stack against one model, on the same prompts, over HTTP."""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cli.compare_options import add_options
from cli.compare_set import write_set
from cli.machine import commit, machine
from cli.options import CommandError, Subparsers, results_folder

if TYPE_CHECKING:
    from lab.comparison.endpoint import Endpoint
    from lab.comparison.experiment import RequestedArms
    from lab.comparison.judge import Judge
    from lab.comparison.session import ComparisonResult, Settings

_MARK = "models.json"
"""As in `lab.comparison.session`, which takes a moment to import."""
_CONNECT_SECONDS = 10.0


def add(commands: Subparsers) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "compare",
        help="does routing pay on your own prompts?",
        description="Asks a running gateway the same prompts in several ways (routed; one model "
        "for all; its models assigned at random), grades the answers, and says what routing saves, "
        "what it costs in quality, and how sure that is: on the terminal, in report.json and in "
        "report.html. A run that was cut goes on with the same command.",
    )
    add_options(parser)
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    if arguments.write_set is not None:
        return write_set(arguments)
    if arguments.data is None:
        raise CommandError("give --data FILE, or make one with --write-set FILE --data-dir DIR")
    # numpy, scipy and httpx take a moment to import
    from lab.comparison.errors import ComparisonError  # noqa: PLC0415
    from lab.comparison.report import terminal, write_report  # noqa: PLC0415

    out = results_folder(arguments.out, _MARK)
    try:
        found = asyncio.run(_found(arguments, out))
    except ComparisonError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        print(f"niche: stopped; the same command goes on with what is in {out}", file=sys.stderr)
        raise
    print(terminal(found.figures, found.verdict))
    about = _about(arguments, found)
    figures = replace(found.figures, examples=()) if arguments.without_texts else found.figures
    written = write_report(out, figures, found.verdict, arguments.margin, about)
    print("", *(f"{path}: written" for path in written), sep="\n")
    return 0


async def _found(arguments: argparse.Namespace, out: Path) -> "ComparisonResult":
    import httpx  # noqa: PLC0415 - as above

    from lab.comparison.rows import read_rows  # noqa: PLC0415 - as above
    from lab.comparison.session import Session  # noqa: PLC0415 - as above

    rows = read_rows(arguments.data)
    wanted, judge, settings = _wanted(arguments), _judge(arguments), _settings(arguments, out)
    # The client counts a request's time as a whole; only the way there has a limit of its own.
    limits = httpx.Limits(max_connections=arguments.concurrency)
    timeout = httpx.Timeout(None, connect=_CONNECT_SECONDS)
    async with httpx.AsyncClient(limits=limits, timeout=timeout) as http:
        session = Session(rows, settings, http, time.perf_counter, _tell)
        return await session.compare(wanted, judge)


def _tell(step: str) -> None:
    print(f"niche: {step}", file=sys.stderr)


def _wanted(arguments: argparse.Namespace) -> "RequestedArms":
    from lab.comparison.experiment import RequestedArms  # noqa: PLC0415 - as above

    baseline = None
    if arguments.baseline_url is not None:
        baseline = _endpoint(arguments.baseline_url, arguments.baseline_api_key_env)
    return RequestedArms(
        endpoint=_endpoint(arguments.base_url, arguments.api_key_env),
        auto=arguments.auto,
        generalist=arguments.generalist,
        baseline=baseline,
        solo=tuple(arguments.arms),
    )


def _judge(arguments: argparse.Namespace) -> "Judge | None":
    from lab.comparison.judge import Judge  # noqa: PLC0415 - as above

    if (arguments.judge_url is None) != (arguments.judge_model is None):
        raise CommandError("--judge-url and --judge-model go together")
    if arguments.judge_url is None:
        return None
    endpoint = _endpoint(arguments.judge_url, arguments.judge_api_key_env)
    return Judge(endpoint, arguments.judge_model)


def _settings(arguments: argparse.Namespace, out: Path) -> "Settings":
    from lab.comparison.analysis import AnalysisSettings  # noqa: PLC0415 - as above
    from lab.comparison.prices import Prices, read_prices  # noqa: PLC0415 - as above
    from lab.comparison.session import Settings  # noqa: PLC0415 - as above

    terms = AnalysisSettings(
        margin=arguments.margin,
        concurrency=arguments.concurrency,
        seed=arguments.seed,
        prices=read_prices(arguments.prices) if arguments.prices else Prices(),
        requests_per_hour=arguments.requests_per_hour,
    )
    return Settings(
        out=out,
        terms=terms,
        warm_up=arguments.warm_up,
        timeout_seconds=arguments.timeout,
        max_tokens=arguments.max_tokens,
        max_requests=arguments.max_requests,
        cost=arguments.cost,
    )


def _endpoint(url: str, key_variable: str | None) -> "Endpoint":
    from lab.comparison.endpoint import Endpoint  # noqa: PLC0415 - as above

    if key_variable is None:
        return Endpoint(url)
    if not os.environ.get(key_variable):
        raise CommandError(f"{key_variable}: no such variable in the environment; export the key")
    return Endpoint(url, os.environ[key_variable])


def _about(arguments: argparse.Namespace, found: "ComparisonResult") -> tuple[str, ...]:
    arms = found.experiment
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; commit {commit()}; {machine()}",
        f"prompts: {arguments.data.name}",
        f"auto: {arms.auto} at {arms.endpoint.base_url}; generalist: {arms.generalist} at "
        f"{arms.baseline.base_url}",
        f"temperature 0, streamed, no retries; {arguments.concurrency} requests at a time, in "
        f"random order (seed {arguments.seed}); {arguments.warm_up} to warm up each model",
    )
