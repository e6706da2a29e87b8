"""`niche compare`: compares the routed stack with one model, on the same prompts, over HTTP."""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from cli.options import CommandError, add_data_dir, amount, positive, results_folder, share
from cli.specialists_options import default_niche
from deployments.api_key import read_api_key
from lab.comparison.endpoint import Endpoint
from lab.comparison.experiment import RequestedArms
from lab.comparison.judge import Judge
from lab.comparison.prices import Prices, read_prices
from lab.comparison.rows import read_rows
from lab.machine import commit, machine
from lab.specialists.registry import NICHES

if TYPE_CHECKING:
    from lab.comparison.session import ComparisonResult, Settings

_OUT = Path("work/compare")
_URL = "http://127.0.0.1:8000/v1"
_CONNECT_SECONDS = 10.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options, in groups."""
    parser.description = (
        "Sends the same prompts to a running gateway in several ways (routed; one model for all; "
        "its models assigned at random), grades the answers, and reports savings and change in "
        "quality with confidence intervals: on the terminal, in report.json and in report.html. "
        "Run the same command again to continue an interrupted run."
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="prompts with their right answers, as JSON Lines (docs/evaluation.md)",
    )
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    parser.add_argument(
        "--without-texts",
        action="store_true",
        help="leave prompts and answers out of the report, for example to publish it",
    )
    parser.add_argument(
        "--margin",
        type=share,
        default=0.02,
        help="the largest loss of quality that still counts as kept; the first run into a folder "
        "sets it (default: 0.02, which is two points)",
    )
    _add_arms(parser)
    _add_running(parser)
    _add_costs(parser)
    _add_judge(parser)
    _add_set(parser)
    parser.set_defaults(run=_compare)


def _add_arms(parser: argparse.ArgumentParser) -> None:
    arms = parser.add_argument_group("who is compared")
    arms.add_argument("--base-url", default=_URL, metavar="URL", help=f"default: {_URL}")
    arms.add_argument("--api-key-env", metavar="NAME", help="a variable that holds the key")
    arms.add_argument(
        "--auto", default="auto", metavar="MODEL", help="the model that is routed (default: auto)"
    )
    arms.add_argument(
        "--generalist",
        metavar="MODEL",
        help="the baseline (default: the one that the gateway calls its generalist)",
    )
    arms.add_argument("--baseline-url", metavar="URL", help="ask the baseline at another server")
    arms.add_argument("--baseline-api-key-env", metavar="NAME", help="its key's variable")
    arms.add_argument(
        "--arms",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="specialists that answer everything, for reference; `all`: every one",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    running = parser.add_argument_group("how the requests are made")
    running.add_argument(
        "--concurrency", type=positive, default=4, help="requests at a time (default: 4)"
    )
    running.add_argument(
        "--warm-up",
        type=positive,
        default=2,
        help="requests per model before the measurement (default: 2)",
    )
    running.add_argument(
        "--seed", type=int, default=0, help="seed of all random choices (default: 0)"
    )
    running.add_argument(
        "--timeout", type=positive, default=120, help="seconds per request (default: 120)"
    )
    running.add_argument(
        "--max-tokens",
        type=positive,
        default=256,
        help="token limit of an answer whose row has no max_tokens (default: 256)",
    )
    running.add_argument(
        "--max-requests",
        type=positive,
        default=20_000,
        help="limit on requests; a comparison that needs more does not start (default: 20000)",
    )


def _add_costs(parser: argparse.ArgumentParser) -> None:
    costs = parser.add_argument_group("what it costs")
    costs.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="niche.yaml, or a file of prices (docs/evaluation.md); without one, what the answers "
        "report",
    )
    costs.add_argument(
        "--cost",
        metavar="KIND",
        help="the cost for the verdict: list, attributed or capacity (default: the first that is "
        "known)",
    )
    costs.add_argument(
        "--requests-per-hour",
        type=positive,
        help="traffic of the capacity cost (default: that of --concurrency clients)",
    )
    costs.add_argument(
        "--quality-point-worth",
        type=amount,
        metavar="MONEY",
        help="what a point of quality is worth per request, for what live selection would do "
        "(default: quality alone decides)",
    )


def _add_judge(parser: argparse.ArgumentParser) -> None:
    judge = parser.add_argument_group("a judge, for rows with the grader `judge`")
    judge.add_argument("--judge-url", metavar="URL", help="an OpenAI-compatible server")
    judge.add_argument("--judge-model", metavar="MODEL", help="none of those compared")
    judge.add_argument("--judge-api-key-env", metavar="NAME", help="its key's variable")


def _add_set(parser: argparse.ArgumentParser) -> None:
    written = parser.add_argument_group("instead: write a file of prompts")
    written.add_argument(
        "--write-set",
        type=Path,
        metavar="FILE",
        help="from the test rows of the default niches and general questions",
    )
    add_data_dir(written, required=False)
    written.add_argument("--niches", nargs="+", metavar="NAME", help="these alone (default: all)")
    written.add_argument(
        "--rows", type=positive, default=60, help="per niche, and general ones (default: 60)"
    )
    written.add_argument(
        "--ask-generalist",
        metavar="WAY",
        default="zero-shot",
        help="prompts for the generalist: zero-shot (with an instruction), few-shot (with examples "
        "too) or plain, as for all models (default: zero-shot)",
    )


def _compare(arguments: argparse.Namespace) -> int:
    if arguments.write_set is not None:
        return _write_set(arguments)
    if arguments.data is None:
        raise CommandError("give --data FILE, or make one with --write-set FILE --data-dir DIR")
    from lab.comparison.report import terminal, write_report
    from lab.comparison.session import MODELS

    out = results_folder(arguments.out, MODELS)
    try:
        result = asyncio.run(_compared(arguments, out))
    except KeyboardInterrupt:
        print(f"niche: stopped; run the same command to continue from {out}", file=sys.stderr)
        raise
    print(terminal(result.figures, result.verdict))
    about = _about(arguments, result)
    figures = replace(result.figures, examples=()) if arguments.without_texts else result.figures
    written = write_report(out, figures, result.verdict, arguments.margin, about)
    print("", *(f"{path}: written" for path in written), sep="\n")
    return 0


async def _compared(arguments: argparse.Namespace, out: Path) -> "ComparisonResult":
    from lab.comparison.session import Session

    rows = read_rows(arguments.data)
    wanted, judge, settings = _wanted(arguments), _judge(arguments), _settings(arguments, out)
    # The session limits a request's total time; the client itself only limits connecting.
    limits = httpx.Limits(max_connections=arguments.concurrency)
    timeout = httpx.Timeout(None, connect=_CONNECT_SECONDS)
    async with httpx.AsyncClient(limits=limits, timeout=timeout) as http:
        session = Session(rows, settings, http, time.perf_counter, _tell)
        return await session.compare(wanted, judge)


def _tell(step: str) -> None:
    print(f"niche: {step}", file=sys.stderr)


def _wanted(arguments: argparse.Namespace) -> RequestedArms:
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


def _judge(arguments: argparse.Namespace) -> Judge | None:
    if (arguments.judge_url is None) != (arguments.judge_model is None):
        raise CommandError("--judge-url and --judge-model go together")
    if arguments.judge_url is None:
        return None
    endpoint = _endpoint(arguments.judge_url, arguments.judge_api_key_env)
    return Judge(endpoint, arguments.judge_model)


def _settings(arguments: argparse.Namespace, out: Path) -> "Settings":
    from lab.comparison.analysis import AnalysisSettings
    from lab.comparison.costs import COST_KINDS
    from lab.comparison.session import Settings
    from router.config import SelectionConfig

    if arguments.cost not in (None, *COST_KINDS):
        raise CommandError(f"--cost {arguments.cost}: is none of {', '.join(COST_KINDS)}")
    terms = AnalysisSettings(
        margin=arguments.margin,
        concurrency=arguments.concurrency,
        seed=arguments.seed,
        prices=read_prices(arguments.prices) if arguments.prices else Prices(),
        requests_per_hour=arguments.requests_per_hour,
        selection=SelectionConfig(quality_point_worth=arguments.quality_point_worth),
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


def _endpoint(url: str, key_variable: str | None) -> Endpoint:
    if key_variable is None:
        return Endpoint(url)
    try:
        key = read_api_key(os.environ, key_variable)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if key is None:
        raise CommandError(f"{key_variable}: no such variable in the environment; export the key")
    return Endpoint(url, key)


def _about(arguments: argparse.Namespace, result: "ComparisonResult") -> tuple[str, ...]:
    arms = result.experiment
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; commit {commit()}; {machine()}",
        f"prompts: {arguments.data.name}",
        f"auto: {arms.auto} at {arms.endpoint.base_url}; generalist: {arms.generalist} at "
        f"{arms.baseline.base_url}",
        f"temperature 0, streamed, no retries; {arguments.concurrency} requests at a time, in "
        f"random order (seed {arguments.seed}); {arguments.warm_up} to warm up each model",
    )


def _write_set(arguments: argparse.Namespace) -> int:
    """Writes the file and prints a summary of it."""
    if arguments.data_dir is None:
        raise CommandError("--write-set needs --data-dir DIR: where the public data sets lie")
    from lab.specialists.evaluation.comparison_set import GENERALIST_PROMPTS, default_rows

    niches = [default_niche(name) for name in arguments.niches or NICHES]
    if arguments.ask_generalist not in GENERALIST_PROMPTS:
        allowed = ", ".join(GENERALIST_PROMPTS)
        raise CommandError(f"--ask-generalist {arguments.ask_generalist}: is none of {allowed}")
    style = GENERALIST_PROMPTS[arguments.ask_generalist]
    rows = list(default_rows(niches, arguments.rows, arguments.data_dir, style))
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    try:
        arguments.write_set.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"--write-set {arguments.write_set}: {error.strerror}; name another file"
        ) from error
    counts = Counter(row["domain"] for row in rows)
    parts = ", ".join(f"{count} {domain}" for domain, count in counts.items())
    print(f"{arguments.write_set}: {len(rows)} prompts written ({parts})")
    return 0
