"""`niche init`: writes a commented niche.yaml for the default stack or for your own servers."""

import argparse
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from cli.options import CONFIG, DEFAULT_STACK, CommandError
from deployments.api_key import read_api_key
from deployments.strict_yaml import load_yaml
from gateway.config import AUTO
from gateway.config_file import parse_config
from router.types import GENERAL

_TIMEOUT_SECONDS = 10.0
_ARTIFACT = "artifacts/mine"
_BILLIONS = re.compile(r"(\d+(?:\.\d+)?)b(?![a-z])")

_HEAD = """\
# One generalist and its specialists, behind servers that speak the OpenAI API.
# `niche config check` validates this file; docs/reference/configuration.md has every key.
"""
_MODEL = """\
name: {name}  # what clients may give as `model`
model: {model}  # the server's name for it
engine: openai
engine_options: {options}
"""
_PRICES = """\
# price: {prompt_per_million_tokens: 0.10, completion_per_million_tokens: 0.40}  # in USD
"""
_SPECIALIST = """\
domain: {domain}  # the label of its prompts; models of one domain are fallbacks for each other
"""
_STATE = """\
# initial_state: shadow  # no requests until it has proven itself; needs gateway.shadow
"""
_FOOT = """\
router:
  artifact: {artifact}  # written by `niche train`

gateway:
  host: 127.0.0.1
  port: 8000
  # To compare specialists with the generalist on live traffic:
  # shadow:
  #   path: evidence.db  # keeps states and evidence
  #   sample_ratio: 0.05  # of an active specialist's requests
"""


@dataclass(frozen=True)
class _Served:
    """A model on a server: its name there, the server, and its name in the stack."""

    model: str
    base_url: str
    name: str

    @property
    def domain(self) -> str:
        """A guess of its domain: its name without its size."""
        stem = re.sub(r"[-._]*\d+(\.\d+)?b(?![a-z])", "", self.name).strip("-._")
        return self.name if stem in ("", GENERAL) else stem

    @property
    def billions(self) -> float:
        """Billions of parameters according to its name: 8 for `llama-3.1-8b-instruct`."""
        return max(map(float, _BILLIONS.findall(self.model.lower())), default=0.0)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = (
        "Writes a commented niche.yaml. With --upstream, lists each server's models and proposes "
        "one as the generalist, the others as specialists."
    )
    parser.add_argument(
        "--upstream",
        action="append",
        default=[],
        metavar="URL",
        help="a server that speaks the OpenAI API, e.g. http://127.0.0.1:8001/v1; may be repeated",
    )
    parser.add_argument(
        "--generalist",
        metavar="MODEL",
        help="one of the servers' models (default: the largest by its name, else the first)",
    )
    parser.add_argument(
        "--api-key-env",
        metavar="NAME",
        help="the environment variable with the servers' API key",
    )
    parser.add_argument(
        "--out", type=Path, default=CONFIG, metavar="FILE", help=f"default: {CONFIG}"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file")
    parser.set_defaults(run=_init)


def _init(arguments: argparse.Namespace) -> int:
    if arguments.out.exists() and not arguments.force:
        raise CommandError(f"{arguments.out} exists; give --force to overwrite it, or --out FILE")
    if not arguments.upstream:
        for option in ("generalist", "api_key_env"):
            if getattr(arguments, option) is not None:
                raise CommandError(f"--{option.replace('_', '-')} goes with --upstream URL")
        _write(arguments.out, DEFAULT_STACK.read_text(encoding="utf-8"))
        print(
            f"{arguments.out}: the default stack. To serve it:\n  niche models pull\n  niche serve"
        )
        return 0
    served = _named(_models(arguments.upstream, arguments.api_key_env))
    generalist = _generalist(served, arguments.generalist)
    specialists = [model for model in served if model is not generalist]
    text = _configuration(generalist, specialists, arguments.api_key_env)
    parse_config(load_yaml(text), str(arguments.out))
    _write(arguments.out, text)
    print(_next(arguments.out, generalist, specialists))
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}; name another file with --out") from error


def _models(upstreams: Iterable[str], key_variable: str | None) -> list[tuple[str, str]]:
    """Each server's models with their address, in the order of the options."""
    headers = {}
    if key_variable is not None:
        try:
            key = read_api_key(os.environ, key_variable)
        except ValueError as error:
            raise CommandError(f"--api-key-env {key_variable}: {error}") from None
        if key is None:
            raise CommandError(f"--api-key-env {key_variable}: no such variable in the environment")
        headers["authorization"] = f"Bearer {key}"
    return [
        (model, base_url)
        for base_url in dict.fromkeys(map(_base_url, upstreams))
        for model in _listed(base_url, headers)
    ]


def _base_url(upstream: str) -> str:
    """The address including the version; `/v1` is added if it has no path."""
    try:
        url = httpx.URL(upstream)
    except httpx.InvalidURL as error:
        raise CommandError(f"--upstream {upstream}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise CommandError(f"--upstream {upstream}: no address such as http://127.0.0.1:8001/v1")
    return f"{str(url).rstrip('/')}{'/v1' if url.path == '/' else ''}"


def _listed(base_url: str, headers: dict[str, str]) -> list[str]:
    url = f"{base_url}/models"
    try:
        answer = httpx.get(url, headers=headers, timeout=_TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise CommandError(f"--upstream: {url}: {reason}; is the server running?") from error
    if answer.status_code in (401, 403):
        raise CommandError(
            f"--upstream: {url} answered {answer.status_code}; name the environment variable that "
            "holds the key with --api-key-env"
        )
    try:
        models = [str(model["id"]) for model in answer.raise_for_status().json()["data"]]
    except httpx.HTTPStatusError as error:
        raise CommandError(
            f"--upstream: {url} answered {answer.status_code}; give the address up to and with /v1"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"--upstream: {url} lists no models as the OpenAI API does; give the address up to "
            "and with /v1"
        ) from error
    if not models:
        raise CommandError(f"--upstream: {url} lists no models; load one, or name another server")
    return models


def _named(models: Iterable[tuple[str, str]]) -> list[_Served]:
    """Gives the models names that are valid in a stack: lower case, no owner, unique."""
    used, served = {AUTO, GENERAL}, []
    for model, base_url in models:
        short = model.rstrip("/").rsplit("/", 1)[-1].lower()
        stem = re.sub(r"[^a-z0-9._-]+", "-", short).strip("-._")[:50] or "model"
        name, number = stem, 2
        while name in used:
            name, number = f"{stem}-{number}", number + 1
        used.add(name)
        served.append(_Served(model, base_url, name))
    return served


def _generalist(served: Sequence[_Served], wanted: str | None) -> _Served:
    if wanted is None:
        return max(served, key=lambda model: model.billions)  # the first one on a tie
    chosen = next((model for model in served if wanted in (model.model, model.name)), None)
    if chosen is None:
        available = ", ".join(model.model for model in served)
        raise CommandError(f"--generalist {wanted}: no such model; there are {available}")
    return chosen


def _configuration(
    generalist: _Served, specialists: Sequence[_Served], key_variable: str | None
) -> str:
    parts = [_HEAD, f"generalist:\n{_indented(_model(generalist, key_variable) + _PRICES)}"]
    if specialists:
        items = (
            _model(model, key_variable) + _SPECIALIST.format(domain=model.domain) + _STATE + _PRICES
            for model in specialists
        )
        parts.append("specialists:\n" + "\n".join(f"  - {_indented(of, 4)[4:]}" for of in items))
    parts.append(_FOOT.format(artifact=_ARTIFACT if specialists else "default"))
    return "\n".join(parts)


def _model(model: _Served, key_variable: str | None) -> str:
    options = {"base_url": model.base_url}
    if key_variable is not None:
        options["api_key_env"] = key_variable
    return _MODEL.format(name=model.name, model=_scalar(model.model), options=_flow(options))


def _flow(value: object) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return str(text).strip()


def _scalar(text: str) -> str:
    """A text as a YAML scalar, quoted if necessary."""
    return _flow([text])[1:-1]


def _indented(text: str, columns: int = 2) -> str:
    return "".join(f"{' ' * columns}{line}\n" for line in text.splitlines())


def _next(path: Path, generalist: _Served, specialists: Sequence[_Served]) -> str:
    lines = [f"{path}: {generalist.name} is the generalist (--generalist names another)"]
    if not specialists:
        return f"{lines[0]}; there is no specialist yet: name its server with another --upstream"
    lines.append(f"Specialists: {', '.join(model.name for model in specialists)}. Now")
    labels = ", ".join([*dict.fromkeys(model.domain for model in specialists), GENERAL])
    return "\n".join(
        (
            *lines,
            "1. check the file: the generalist, the names of the domains, the prices;",
            "2. give each specialist its domain: collect prompts of your users, some hundred for "
            "each,",
            f"   labelled {labels}, as JSON Lines:",
            f'     {{"text": "...", "domain": "{specialists[0].domain}"}}',
            "3. train the router and serve:",
            "     niche models pull",
            f"     niche train --data prompts.jsonl --out {_ARTIFACT}",
            "     niche serve",
        )
    )
