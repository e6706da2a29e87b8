"""`niche plan`: computes the replicas that a traffic needs, and their cost."""

import argparse
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from cli.options import CommandError, add_config, share
from deployments.spec import ModelSpec
from gateway.config import NicheConfig
from gateway.config_file import load_config
from lab.planning.measurements import (
    Measurements,
    from_load_test,
    from_metrics,
    from_outcomes,
    merged,
    with_given_values,
)
from lab.planning.sharing import shared_machines
from router.types import GENERAL

if TYPE_CHECKING:
    from lab.planning.fleet import Machine

_TIMEOUT_SECONDS = 10.0
_GIVEN = {
    "--seconds": ("MODEL=SECONDS", "engine seconds of a request"),
    "--tokens": ("MODEL=N", "tokens generated for a request"),
    "--speed": (
        "MODEL=TOKENS_PER_SECOND",
        "of one replica at full load; use it for servers that do not report engine seconds, such "
        "as vLLM: a request's seconds are then its tokens divided by this",
    ),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.description = (
        "Prints the deployments that a traffic needs, their cost compared with the generalist "
        "alone, and the traffic from which each specialist pays. It needs measurements: give "
        "--measured, --metrics or --seconds."
    )
    add_config(parser)
    parser.add_argument(
        "--rps", type=above_zero, required=True, help="requests per second at the peak"
    )
    parser.add_argument(
        "--mean-rps", type=above_zero, help="on average, for the price of a token (default: --rps)"
    )
    parser.add_argument(
        "--mix",
        nargs="+",
        action="extend",
        type=named,
        default=[],
        metavar="DOMAIN=SHARE",
        help="shares of the traffic; `general` is the generalist's (default: as measured)",
    )
    _add_known(parser)
    limits = parser.add_argument_group("when replicas are enough")
    limits.add_argument(
        "--utilization",
        type=share,
        default=0.7,
        help="highest share of time that a replica may be busy (default: 0.7)",
    )
    limits.add_argument(
        "--wait",
        type=above_zero,
        default=0.5,
        metavar="SECONDS",
        help="largest 95th percentile of the wait for a replica (default: 0.5)",
    )
    parser.set_defaults(run=_plan)


def _add_known(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("measurements; values given here override measured ones")
    group.add_argument(
        "--measured",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="report.json of load tests, outcomes.jsonl of comparisons",
    )
    group.add_argument("--metrics", metavar="URL", help="of a running gateway: .../metrics")
    for option, (metavar, words) in _GIVEN.items():
        group.add_argument(
            option, nargs="+", action="extend", type=named, default=[], metavar=metavar, help=words
        )
    group.add_argument(
        "--gateway-ms",
        type=above_zero,
        default=5.0,
        metavar="MS",
        help="of the gateway's CPU per request (default: 5, and 0.4 per token, as measured with "
        "stub models on two busy cores)",
    )
    group.add_argument(
        "--gateway-token-ms", type=above_zero, default=0.4, metavar="MS", help="per streamed token"
    )


def above_zero(text: str) -> float:
    """A number above zero, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above zero")
    return number


def named(text: str) -> tuple[str, float]:
    """`NAME=NUMBER`, for argparse."""
    name, _, number = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=NUMBER, such as sql=0.3")
    return name, above_zero(number)


def _plan(arguments: argparse.Namespace) -> int:
    # importing scipy is slow
    from lab.planning.plan import GatewayReplicas, format_plan, plan, rates_by_domain
    from lab.planning.queue import Limits

    config = load_config(arguments.config)
    _check(arguments, config)
    shared = shared_machines(config.models)
    machines = [_machine(spec, shared.get(spec.name)) for spec in config.generating]
    edge = GatewayReplicas(
        config.gateway.replicas,
        config.gateway.num_cpus,
        arguments.gateway_ms / 1000,
        arguments.gateway_token_ms / 1000,
    )
    values = tuple(dict(of) for of in (arguments.seconds, arguments.tokens, arguments.speed))
    measured = with_given_values(_measured(arguments), *values)
    _check_mix(arguments.mix, config, measured)
    rates = rates_by_domain(arguments.rps, dict(arguments.mix), measured)
    deployments = plan(
        rates, machines, edge, (measured, Limits(arguments.utilization, arguments.wait))
    )
    currency = config.observability.currency
    print(format_plan(deployments, currency, arguments.mean_rps or arguments.rps))
    for note in _notes(config, dict(arguments.speed)):
        print(note)
    return 0


def _notes(config: NicheConfig, speeds: Mapping[str, float]) -> Iterator[str]:
    """What to know about models behind other servers, and which are not planned for."""
    for spec in (*config.embeddings, *config.rerankers):
        yield f"{spec.name}: not in this plan, which is for requests that are answered with text."
    for spec in config.generating:
        if _is_elsewhere(spec):
            yield (
                f"{spec.name}: no replicas and no cost per hour, since its server is not yours; if "
                "it is, set price.machine_per_hour."
            )
        elif spec.engine == "openai" and spec.name not in speeds:
            yield (
                f"{spec.name}: an `openai` engine's seconds are those of the whole answer, not its "
                f"share of the server; give --speed {spec.name}=TOKENS_PER_SECOND."
            )


def _check(arguments: argparse.Namespace, config: NicheConfig) -> None:
    for option in ("mix", "seconds", "tokens", "speed"):
        given = [name for name, _ in getattr(arguments, option)]
        for name in given:
            if given.count(name) > 1:
                raise CommandError(f"--{option}: {name} is there twice; keep one of them")
    names = [spec.name for spec in config.generating]
    for option in ("seconds", "tokens", "speed"):
        for name, _ in getattr(arguments, option):
            if name not in names:
                raise CommandError(f"--{option}: no model {name}; there are {', '.join(names)}")


def _check_mix(
    mix: Iterable[tuple[str, float]], config: NicheConfig, measured: Measurements
) -> None:
    """Raises a `CommandError` for a domain that no model has, and no measured traffic: its requests
    would be planned as the generalist's."""
    known = {GENERAL, *measured.mix, *(of.domain for of in config.generating if of.domain)}
    for domain, _ in mix:
        if domain not in known:
            raise CommandError(
                f"--mix: no domain {domain}; there are {', '.join(sorted(known))}; count requests "
                f"without a specialist as {GENERAL}"
            )


def _machine(spec: ModelSpec, pool: str | None) -> "Machine":
    from lab.planning.fleet import Machine

    if spec.in_gateway:  # the replicas are its server's
        return Machine(
            spec.name,
            spec.domain,
            spec.price.machine_per_hour,
            elsewhere=_is_elsewhere(spec),
            pool=pool,
        )
    scaling = spec.autoscaling
    return Machine(
        spec.name,
        spec.domain,
        spec.price.machine_per_hour,
        spec.resources.num_cpus,
        spec.resources.num_gpus,
        min_replicas=spec.replicas if scaling is None else scaling.min_replicas,
        max_replicas=None if scaling is None else scaling.max_replicas,
        pool=pool,
    )


def _is_elsewhere(spec: ModelSpec) -> bool:
    """Whether a model runs on no machine that the operator pays for by the hour."""
    return spec.in_gateway and not spec.price.machine_per_hour


def _measured(arguments: argparse.Namespace) -> Measurements:
    try:
        parts = [_of_file(path) for path in arguments.measured]
        if arguments.metrics is not None:
            parts.append(from_metrics(_get(arguments.metrics), arguments.metrics))
    except ValueError as error:
        raise CommandError(f"{error}; give another") from error
    return merged(parts)


def _of_file(path: Path) -> Measurements:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--measured {path}: cannot be read: {error}") from error
    if path.suffix == ".jsonl":
        return from_outcomes(text.splitlines(), str(path))
    return from_load_test(text, str(path))


def _get(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandError(f"--metrics {url}: {error}; is the gateway running?") from error
    return answer.text
