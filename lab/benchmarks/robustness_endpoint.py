"""The robustness prompts against any router behind an OpenAI-compatible endpoint.

    python -m lab.benchmarks.robustness_endpoint --url http://127.0.0.1:8000/v1 \
        --header x-niche-model

asks every prompt, reads in each answer which model or domain was chosen, and prints the table of
`niche benchmark robustness`. It needs httpx, numpy and scipy, and no file beyond the prompts.

Rule: a prompt without an answer counts against the router in every figure.
"""

import argparse
import asyncio
import hashlib
import ipaddress
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np

from lab.benchmarks.choices import Asking, Choice, choices, in_field, in_header
from lab.benchmarks.figures import Result
from lab.benchmarks.robustness import FOLDER, RobustnessPrompt, read_prompts, robustness
from lab.comparison.endpoint import Endpoint
from lab.comparison.errors import ComparisonError
from lab.comparison.journal import Journal
from lab.machine import commit, machine
from lab.statistics.table import Table
from router.errors import RouterError
from router.types import GENERAL

ANSWERS, REPORT, TABLE = "answers.jsonl", "robustness.json", "robustness.md"
"""The files of a run."""

NO_ANSWER = "(no answer)"
"""Where a prompt went that has no answer: not to its domain, and not to the generalist."""

_SHOWN_TIMES = 20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.benchmarks.robustness_endpoint",
        description="Measures any router behind an OpenAI-compatible endpoint on the robustness "
        "prompts (docs/results/robustness.md). Run the same command again to continue an "
        "interrupted run; requests that failed are then asked again.",
    )
    add = parser.add_argument
    add("--url", required=True, help="base URL with /v1, such as http://127.0.0.1:8000/v1")
    said = parser.add_mutually_exclusive_group(required=True)
    said.add_argument("--header", help="response header with the choice, such as x-niche-model")
    said.add_argument("--field", help="field of the JSON answer, such as model or niche.model")
    add(
        "--map",
        action="append",
        default=[],
        metavar="NAME=DOMAIN",
        help="what a chosen name counts as; a domain's own name needs none, and other names count "
        "as general",
    )
    add("--model", default="auto", help="the model that is routed (default: auto)")
    add("--api-key-env", metavar="NAME", help="a variable of the environment that holds the key")
    add("--max-tokens", type=int, default=1, help="of each answer, which is not read (default: 1)")
    add("--concurrency", type=int, default=8, help="requests at a time (default: 8)")
    add("--timeout", type=float, default=60, help="seconds per request (default: 60)")
    add(
        "--allow-remote",
        action="store_true",
        help="send the prompts to another machine: they are public, but requests may cost money",
    )
    add("--prompts", type=Path, default=FOLDER, help="folder of the prompts (default: the set's)")
    add("--out", type=Path, default=Path("work/robustness"), help="folder of answers and results")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measures a router; exit codes: 0 done, 2 cannot run, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return _measure(arguments)
    except (ComparisonError, RouterError, OSError) as error:
        print(f"robustness: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("robustness: stopped; run the same command to continue", file=sys.stderr)
        return 130


def _measure(arguments: argparse.Namespace) -> int:
    prompts = read_prompts(arguments.prompts)
    mapped = _mapped(arguments.map, {prompt.domain for prompt in prompts})
    found = asyncio.run(_asked(arguments, prompts))
    result = figures(prompts, found, mapped)
    asked_at = f"{arguments.model} at {arguments.url}"
    where = f"{asked_at}; prompts of commit {commit()}; asked from {machine()}."
    print(f"{where}\n\n{result.text()}")
    report = {"where": where, "map": mapped, "benchmarks": [result.fields()]}
    text = json.dumps(report, indent=1)
    (arguments.out / REPORT).write_text(text, encoding="utf-8")
    (arguments.out / TABLE).write_text(f"{where}\n\n{result.markdown()}", encoding="utf-8")
    return 0


async def _asked(
    arguments: argparse.Namespace, prompts: Sequence[RobustnessPrompt]
) -> Mapping[str, Choice]:
    asking = _asking(arguments)
    journal = _journal(arguments, prompts)

    def progress(done: int, prompts_in_all: int, failed: int) -> None:
        if done % max(1, prompts_in_all // _SHOWN_TIMES) == 0 or done == prompts_in_all:
            print(f"{done:,} of {prompts_in_all:,} asked, {failed:,} errors", file=sys.stderr)

    limits = httpx.Limits(max_connections=asking.concurrency)
    async with httpx.AsyncClient(
        limits=limits,
        timeout=arguments.timeout,
        # A proxy of the environment would carry the prompts away from this machine.
        trust_env=arguments.allow_remote,
    ) as http:
        return await choices(prompts, asking, http, journal, progress)


def _asking(arguments: argparse.Namespace) -> Asking:
    for name in ("max_tokens", "concurrency", "timeout"):
        if getattr(arguments, name) <= 0:
            option = name.replace("_", "-")
            raise ComparisonError(f"--{option} {getattr(arguments, name)}: give more than 0")
    if not (_is_loopback(arguments.url) or arguments.allow_remote):
        raise ComparisonError(
            f"--url {arguments.url} is not on this machine; give --allow-remote to send "
            "thousands of requests there"
        )
    key = None
    if arguments.api_key_env is not None:
        key = os.environ.get(arguments.api_key_env)
        if not key:
            raise ComparisonError(
                f"{arguments.api_key_env}: no such variable in the environment; export the key"
            )
    return Asking(
        endpoint=Endpoint(arguments.url, key),
        model=arguments.model,
        max_tokens=arguments.max_tokens,
        read_name=in_header(arguments.header) if arguments.header else in_field(arguments.field),
        concurrency=arguments.concurrency,
    )


def _is_loopback(url: str) -> bool:
    """Whether a URL names this machine.

    Raises:
        ComparisonError: it is no URL.
    """
    try:
        host = httpx.URL(url).host
    except httpx.InvalidURL as error:
        raise ComparisonError(
            f"--url {url}: {error}; give one such as http://127.0.0.1:8000/v1"
        ) from error
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name than an address
        return False


def _journal(arguments: argparse.Namespace, prompts: Sequence[RobustnessPrompt]) -> Journal:
    arguments.out.mkdir(parents=True, exist_ok=True)
    conditions = {
        "url": arguments.url,
        "header": arguments.header,
        "field": arguments.field,
        "model": arguments.model,
        "max_tokens": arguments.max_tokens,
        "prompts": hashlib.sha256(repr(prompts).encode()).hexdigest(),
    }
    return Journal(arguments.out / ANSWERS, conditions)


def _mapped(pairs: Sequence[str], domains: set[str]) -> dict[str, str]:
    """What each name counts as: the domains as themselves, then `--map`."""
    known = {*domains, GENERAL}
    mapped = {domain: domain for domain in sorted(known)}
    for pair in pairs:
        name, _, domain = pair.rpartition("=")
        if not name or domain not in known:
            allowed = ", ".join(sorted(known))
            raise ComparisonError(f"--map {pair}: give NAME=DOMAIN with a domain of {allowed}")
        mapped[name] = domain
    return mapped


def figures(
    prompts: Sequence[RobustnessPrompt], found: Mapping[str, Choice], mapped: Mapping[str, str]
) -> Result:
    """The router's figures, and the names that it chose.

    Args:
        prompts: of `read_prompts`.
        found: the choice for each prompt, by its id.
        mapped: the domain that a name counts as; other names count as `general`.
    """
    chosen = [found[prompt.id] for prompt in prompts]
    names = Counter(choice.name for choice in chosen if choice.name is not None)
    went = np.array(
        [
            NO_ANSWER if choice.name is None else mapped.get(choice.name, GENERAL)
            for choice in chosen
        ]
    )
    result = robustness(lambda _: went, prompts)
    rows = tuple(
        (name, mapped.get(name, f"{GENERAL} (not mapped)"), f"{count:,}")
        for name, count in names.most_common()
    )
    table = Table(("name", "counts as", "prompts"), rows, "chosen")
    return replace(result, notes=(*result.notes, *_errors(chosen)), tables=(table,))


def _errors(chosen: Sequence[Choice]) -> tuple[str, ...]:
    failed = [choice for choice in chosen if choice.error is not None]
    if not failed:
        return ("No request failed.",)
    first = {choice.error: choice.details for choice in reversed(failed)}
    counts = Counter(choice.error for choice in failed)
    named = (
        f"{error} ({count:,}{': ' if first[error] else ''}{first[error]})"
        for error, count in counts.most_common()
    )
    return (
        f"{len(failed):,} requests failed and count against the router in every figure: "
        f"{', '.join(named)}.",
    )


if __name__ == "__main__":
    sys.exit(main())
