"""The stack of the demonstration: the repository's own, with what is changed for it.

Rule: what decides about a specialist is as configured (`router.selection`: alpha and margin); what
is changed says how much is compared, so that a stream of some hundred prompts is enough.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.comparison.errors import ComparisonError

_TOKENS_PER_DAY = 100_000_000
"""More than the stream uses: a spent budget would end the comparison."""


@dataclass(frozen=True)
class Planted:
    """The bad specialist: whose domain it serves, and the adapter of another niche."""

    domain: str
    adapter: str


@dataclass(frozen=True)
class Upstream:
    """A generalist behind an OpenAI-compatible server."""

    model: str
    base_url: str


def read_planted(text: str) -> Planted:
    """What `biomed=tools` asks for.

    Raises:
        ComparisonError: it is of no such form.
    """
    domain, sign, adapter = text.partition("=")
    if not (domain and sign and adapter):
        raise ComparisonError(f"{text!r}: write DOMAIN=ADAPTER, such as biomed=tools")
    return Planted(domain, adapter)


def read_configuration(path: Path) -> dict[str, Any]:
    """The operator's file, as it is written.

    Raises:
        ComparisonError: it cannot be read, or is no mapping.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise ComparisonError(f"{path}: cannot be read: {told}") from error
    if not isinstance(found, dict) or not found.get("specialists"):
        raise ComparisonError(f"{path}: names no specialists; name another with --config")
    return found


def domains(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The domains of its specialists.

    Raises:
        ComparisonError: one has several: the demonstration tells which model a domain has.
    """
    found = [str(spec.get("domain")) for spec in raw["specialists"]]
    twice = sorted({domain for domain in found if found.count(domain) > 1})
    if twice:
        raise ComparisonError(f"{', '.join(twice)}: several specialists; leave one of each domain")
    return tuple(found)


def configured(
    raw: Mapping[str, Any],
    planted: Planted,
    generalist: Upstream | str | None,
    state: Path,
    concurrency: int,
) -> dict[str, Any]:
    """The configuration of one phase.

    Args:
        raw: the operator's file.
        planted: the bad specialist.
        generalist: a server, or a model for the configured engine; None: the configured one.
        state: the file of states and evidence; it is the same in all phases.
        concurrency: requests at a time.

    Raises:
        ComparisonError: no specialist has the planted one's domain.
    """
    made: dict[str, Any] = copy.deepcopy(dict(raw))
    if planted.domain not in domains(made):
        known = ", ".join(domains(made))
        raise ComparisonError(f"no specialist has the domain {planted.domain!r}; known: {known}")
    for spec in made["specialists"]:
        if spec["domain"] == planted.domain:
            spec["adapter"] = planted.adapter
    made["generalist"] = _generalist(made["generalist"], generalist)
    made["gateway"] = {
        **(made.get("gateway") or {}),
        "shadow": _shadow(state, concurrency),
    }
    return made


def _shadow(state: Path, concurrency: int) -> dict[str, Any]:
    return {
        "path": str(state),
        # Of every request both answers are known: regret needs them, and the stream is short.
        "sample_ratio": 1.0,
        "trial_sample_ratio": 1.0,
        "store_texts": True,
        # Nothing is left out because much is going on.
        "max_concurrent": 2 * concurrency,
        "max_requests_in_flight": 4 * concurrency,
        "max_tokens_per_day": _TOKENS_PER_DAY,
    }


def _generalist(spec: Mapping[str, Any], wanted: Upstream | str | None) -> dict[str, Any]:
    if wanted is None:
        return dict(spec)
    if isinstance(wanted, str):
        return {**spec, "model": wanted}
    kept = {key: spec[key] for key in ("name", "price") if key in spec}
    return {
        **kept,
        "model": wanted.model,
        "engine": "openai",
        "engine_options": {"base_url": wanted.base_url},
        "resources": {"num_cpus": 0.1},
    }
