"""Everything that can be known to be wrong with a configuration before anything is loaded.

`niche config check` prints all of it; `niche serve` starts without the models that have faults.
"""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from cli.models import needed
from cli.orphans import listener
from deployments.engine import EngineContext, create_engine
from deployments.engines._vllm_options import missing
from deployments.http_address import http_url
from deployments.models.adapters import adapter_of
from deployments.models.errors import ModelError
from deployments.models.local_path import local_path
from deployments.models.lock import read_lock
from deployments.models.pull import catalogue
from deployments.models.resolve import resolve
from deployments.models.resolve_gguf import resolve_gguf
from deployments.spec import ModelSpec
from gateway.authentication import ApiKeys, Role
from gateway.config import ConfigError, GatewaySection, NicheConfig, ResponseStoreSection
from router.errors import RouterError
from router.types import GENERAL

_LOAD_FILES = frozenset({"llama", "vllm"})
"""The engines that read weights from this machine; the others' are elsewhere, or nowhere."""
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EINVAL)
"""What a socket says of an address that this machine does not have, or cannot listen on."""
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Fault:
    """What is wrong.

    Attributes:
        place: the key, such as `specialists[0].adapter`.
        reason: what is wrong, and the remedy.
        model: which it keeps from being served; None: the whole stack.
        needs_pull: whether `niche models pull` mends it.
    """

    place: str
    reason: str
    model: str | None = None
    needs_pull: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class _NotNow(Exception):
    """A file would have to be downloaded."""


def faults(
    config: NicheConfig, cache_dir: Path, *, secrets: bool = True, files: bool = True
) -> list[Fault]:
    """All that is wrong with a configuration.

    Args:
        config: a valid one.
        cache_dir: the directory of model files.
        secrets: whether the variables and the file of keys have to be there.
        files: whether the models and the gateway run here, with their files.
    """
    found: list[Fault] = []
    for place, spec in config.places():
        found += _of_model(place, spec, cache_dir, secrets=secrets, files=files)
    if config.judge is not None:
        spec = config.judge.spec
        context = EngineContext(cache_dir, files)
        found += _of_engine("gateway.shadow.judge", spec, context, secrets=secrets)
    found += _of_router(config, cache_dir, files=files)
    if files:
        found += _of_gateway(config, secrets=secrets)
    return found


def _of_model(
    place: str, spec: ModelSpec, cache_dir: Path, *, secrets: bool, files: bool
) -> Iterator[Fault]:
    for fault in _of_engine(place, spec, EngineContext(cache_dir, files), secrets=secrets):
        yield Fault(fault.place, fault.reason, spec.name)
    if not files or spec.engine not in _LOAD_FILES:
        return
    find = resolve_gguf if spec.engine == "llama" else resolve
    if reason := _absent(spec.model, cache_dir, find):
        yield Fault(f"{place}.model", reason, spec.name, spec.model in read_lock())
    if spec.adapter is not None:
        try:
            adapter_of(spec)
        except ModelError as error:
            yield Fault(f"{place}.adapter", str(error), spec.name)


def _of_engine(
    place: str, spec: ModelSpec, context: EngineContext, *, secrets: bool
) -> Iterator[Fault]:
    if not secrets:
        options = {key: of for key, of in spec.engine_options.items() if key != "api_key_env"}
        spec = spec.model_copy(update={"engine_options": options})
    try:
        create_engine([spec], context)
    except ValueError as error:
        for line in str(error).splitlines():
            key, _, reason = line.partition(": ")
            judged = key.removeprefix("engine_options.") if place.endswith("judge") else key
            yield Fault(f"{place}.{judged}", reason)


def unchecked(config: NicheConfig) -> Iterator[str]:
    """What can only be checked where the stack runs."""
    names = [spec.name for spec in config.models if spec.engine == "vllm"]
    if names and (lacking := missing()):
        yield f"engine_options of {', '.join(names)} are not checked: {lacking}"


def _absent(reference: str, cache_dir: Path, find: Callable[..., Path]) -> str | None:
    """Why a model's files are not here; None of one that the hub may have."""
    if reference in read_lock():
        pulled = next(item.pulled for item in catalogue(cache_dir) if item.name == reference)
        return None if pulled else f"not in {cache_dir}; run: niche models pull {reference}"

    def not_now(*_: object) -> str:
        raise _NotNow

    try:
        if find is resolve:
            resolve(reference, cache_dir, snapshot=not_now)
        elif not local_path(reference).is_dir():
            resolve_gguf(reference, cache_dir, download=not_now)
    except _NotNow:
        return None
    except ModelError as error:
        return str(error)
    return None


def _of_router(config: NicheConfig, cache_dir: Path, *, files: bool) -> Iterator[Fault]:
    from gateway.routing import load_policy  # slow: imports numpy and tokenizers
    from router.artifact import artifact_path, read_artifact
    from router.encoders.adapter import adapter_of as encoder_adapter

    router = config.router
    if files and (reason := _absent(router.encoder, cache_dir, resolve)):
        yield Fault("router.encoder", reason, needs_pull=router.encoder in read_lock())
    try:
        _, trained = read_artifact(artifact_path(router.artifact))
        encoder_adapter(artifact_path(router.artifact))
    except RouterError as error:
        yield Fault("router.artifact", str(error))
        return
    known = sorted({*trained.head.classes} - {GENERAL})
    unknown = [pair for pair in config.places() if pair[1].domain not in (None, *known)]
    for place, spec in unknown:
        yield Fault(
            f"{place}.domain",
            f"the router's artifact {router.artifact!r} does not know {spec.domain!r}, only "
            f"{', '.join(known)}; correct it, or train an artifact with prompts of that domain and "
            "name it in router.artifact",
        )
    try:
        if not unknown:
            load_policy(config)
    except RouterError as error:
        yield Fault("router.guarantee", str(error))


def _of_gateway(config: NicheConfig, *, secrets: bool) -> Iterator[Fault]:
    from gateway.evidence.sqlite_store import check  # slow: imports scipy

    edge, log = config.gateway, config.observability.decision_log
    if secrets and edge.api_keys_file is not None:
        yield from _of_keys(edge.api_keys_file)
    if edge.adapters_dir is not None and not Path(edge.adapters_dir).is_dir():
        yield Fault(
            "gateway.adapters_dir", f"no folder {edge.adapters_dir!r}; make it, or correct it"
        )
    if log is not None:
        yield from _of_written("observability.decision_log.path", log.path)
    if (shadow := edge.shadow) is not None:
        yield from _of_written("gateway.shadow.path", shadow.path, check)
    if edge.response_store is not None:
        yield from _of_response_store(edge.response_store, secrets=secrets)


def _of_response_store(section: ResponseStoreSection, *, secrets: bool) -> Iterator[Fault]:
    from gateway.stored_responses.opening import check, opened

    if section.path is not None:
        yield from _of_written("gateway.response_store.path", section.path, check)
    elif secrets:
        yield from _of_checked(
            "gateway.response_store.redis_url_env",
            lambda: asyncio.run(opened(section, time.time).close()),
        )


def port_faults(edge: GatewaySection) -> Iterator[Fault]:
    """Whether the gateway can listen."""
    family = socket.AF_INET6 if ":" in edge.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((edge.host, edge.port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno in _NOT_HERE:
                yield Fault(
                    "gateway.host",
                    f"cannot listen on {edge.host!r} ({error.strerror}); name an address of this "
                    "machine, such as 127.0.0.1",
                )
            else:
                yield _of_port(edge, error)


def _of_port(edge: GatewaySection, error: OSError) -> Fault:
    where = http_url(edge.host, edge.port).removeprefix("http://")
    holder = listener(edge.port) if error.errno == errno.EADDRINUSE else None
    by = f", by {holder}" if holder else ""
    return Fault(
        "gateway.port",
        f"cannot listen on {where} ({error.strerror}{by}){_who_listens(where)}; stop what uses it, "
        "or choose another, as with --port",
    )


def _who_listens(where: str) -> str:
    try:
        answer = httpx.get(f"http://{where}/openapi.json", timeout=_LOOK_SECONDS)
        is_niche = answer.json()["info"]["title"] == "Niche"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        is_niche = False
    return ", where a gateway of Niche answers" if is_niche else ""


def _of_keys(path: str) -> Iterator[Fault]:
    try:
        ApiKeys.from_file(Path(path))
    except OSError as error:
        reason = f"cannot read {path} ({error.strerror}); write one key per line there"
        yield Fault("gateway.api_keys_file", reason)
    except ValueError as error:
        yield Fault("gateway.api_keys_file", f"{path}: {error}")


def unheld_rights(edge: GatewaySection) -> Iterator[str]:
    """What nobody may do, since the file of keys marks no key for it; it must have no fault."""
    if edge.api_keys_file is None:
        return
    keys = ApiKeys.from_file(Path(edge.api_keys_file))
    for role, does in ((Role.GRADER, "grade answers"), (Role.OPERATOR, "change specialists")):
        if not keys.has(role):
            mark = f"`{role.name.lower()} KEY`"
            yield f"nobody may {does}: gateway.api_keys_file has no line {mark}"


def unproven_guarantee(config: NicheConfig) -> Iterator[str]:
    """That `router.guarantee` says nothing yet, if a domain begins without an active specialist."""
    begun = {spec.domain for spec in config.specialists if spec.initial_state == "active"}
    silent = sorted({spec.domain for spec in config.specialists if spec.domain} - begun)
    if config.router.guarantee is not None and silent:
        yield (
            f"router.guarantee does not hold while no specialist of {', '.join(silent)} is active: "
            "an initial_state keeps requests from them"
        )


def _of_written(
    place: str, path: str, check: Callable[[str], None] | None = None
) -> Iterator[Fault]:
    """Whether a file can be written, or used if it is there already; makes and changes none."""
    file = Path(path)
    there = file.exists()
    if not os.access(file if there else file.parent, os.W_OK) or file.is_dir():
        reason = f"cannot write {path!r}; name a file in a folder that exists and may be written"
        yield Fault(place, reason)
    elif there and check is not None:
        yield from _of_checked(place, lambda: check(path))


def _of_checked(place: str, check: Callable[[], None]) -> Iterator[Fault]:
    try:
        check()
    except ConfigError as error:
        yield Fault(place, str(error).removeprefix(f"{place}: "))


def as_error(found: Collection[Fault], config: NicheConfig, cache_dir: Path) -> Exception:
    """The error of a stack with these faults; one line where one command mends them all."""
    if not all(fault.needs_pull for fault in found):
        return ConfigError("\n".join(map(str, found)))
    names = needed(config)
    absent = [item.name for item in catalogue(cache_dir) if item.name in names and not item.pulled]
    return ModelError(
        f"not in {cache_dir}: {', '.join(absent)}; run: niche models pull {' '.join(absent)}"
    )
