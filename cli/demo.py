"""`niche demo`: runs the stack, sends one request per domain, and prints a table of the answers."""

import argparse
import time
from dataclasses import dataclass

import httpx

from cli.stack import add_stack, running
from gateway.config import LaunchError, NicheConfig
from lab.specialists.registry import NICHES
from router.types import GENERAL, Reason

SAMPLES: dict[str, str] = {
    **{name: niche.sample for name, niche in NICHES.items() if niche.sample},
    GENERAL: "Why is the sky blue?",
}
"""A request for each domain of the default stack."""

_SHOWN_CHARACTERS = 68
_AS_PLANNED = (Reason.ROUTED, Reason.GENERAL)


@dataclass(frozen=True)
class _Row:
    domain: str
    confidence: str
    model: str
    reason: str
    answer: str
    seconds: float
    cost: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_stack(parser)
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    with running(arguments) as stack:
        return 0 if show_samples(stack.url, stack.config) else 1


def show_samples(url: str, config: NicheConfig) -> bool:
    """Sends one sample per configured domain and prints a table; True if all were routed right."""
    domains = [*dict.fromkeys(spec.domain for spec in config.specialists), GENERAL]
    rows = {domain: _ask(url, SAMPLES[domain]) for domain in domains if domain in SAMPLES}
    print(f"\n{_line('DOMAIN', 'CONFIDENCE', 'MODEL', 'REASON', 'SECONDS', 'COST')}")
    for domain, row in rows.items():
        cost = f"{row.cost} {config.observability.currency}"
        facts = (row.domain, row.confidence, row.model, row.reason, f"{row.seconds:.2f}", cost)
        print(_line(*facts))
        print(f"  > {' | '.join(SAMPLES[domain].splitlines())}")
        print(f"  {row.answer}")
    return all(row.domain == domain and row.reason in _AS_PLANNED for domain, row in rows.items())


def _line(*cells: str) -> str:
    return " ".join(f"{cell:<11}" for cell in cells).rstrip()


def _ask(url: str, prompt: str) -> _Row:
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "max_tokens": 64,
    }
    started = time.monotonic()
    answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=120)
    seconds = time.monotonic() - started
    if not answer.is_success:
        raise LaunchError(f"the sample {prompt!r} was answered with {answer.text}")
    text = " ".join(answer.json()["choices"][0]["message"]["content"].split())
    if len(text) > _SHOWN_CHARACTERS * 2:
        text = f"{text[: _SHOWN_CHARACTERS * 2]} ..."
    headers = answer.headers
    return _Row(
        headers["x-niche-domain"],
        headers["x-niche-confidence"],
        headers["x-niche-model"],
        headers["x-niche-reason"],
        text,
        seconds,
        headers["x-niche-cost"],
    )
