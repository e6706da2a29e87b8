"""What `niche.yaml` says, validated before anything starts; `gateway.config_file` reads it."""

import math
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from deployments.http_address import HttpUrl, http_url
from deployments.pool import Pool, PoolConflict, pools
from deployments.protocol import Kind
from deployments.spec import ModelSpec, Price
from gateway.config_section import Section
from gateway.edge.settings import DoorSettings
from gateway.shadow_config import JudgeSection, ShadowSection
from router.config import RouterConfig
from router.types import GENERAL

LAST_WRITE_SECONDS = 5
"""How long after the deadline the last write may take for a client that stopped reading."""

_LONGEST_SECONDS = 604_800
"""A week. HAProxy's timers end at 24.8 days, and have to hold more than a request's time."""

_BODIES = 16
"""Largest bodies for which there is room."""

AUTO = "auto"
"""The model name that asks for a routed answer."""

_LISTS: dict[str, Kind] = {"embeddings": "embedding", "rerankers": "reranking"}
"""The keys of models that write no text, and their kinds."""


class ConfigError(Exception):
    """`niche.yaml` cannot be used; the message has one line per error."""


class LaunchError(Exception):
    """The configured stack did not start; the message says which part failed and why."""


class ResponseStoreSection(Section):
    """Keeps the answers of `/v1/responses`, so that later requests may refer to them."""

    path: str | None = Field(
        default=None,
        min_length=1,
        description="SQLite file of whole conversations, shared by all gateways of a machine; "
        "created if it does not exist",
    )
    redis_url_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="instead of `path`: the environment variable that holds the URL of a Redis, "
        "shared by gateways of several machines; needs the extra `redis`",
    )
    max_bytes_per_key: int = Field(
        default=64_000_000,
        ge=1,
        description="room of each API key; the oldest answers make way. Without keys all share it",
    )
    max_age_hours: float = Field(default=24, gt=0, description="how long an answer is kept")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.redis_url_env is None):
            raise ValueError("name one place: path, or redis_url_env")
        return self


class ImagesSection(Section):
    """Images in requests, and those that the gateway fetches by their URLs."""

    hosts: tuple[
        Annotated[
            str,
            StringConstraints(pattern=r"^(\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?$"),
        ],
        ...,
    ] = Field(
        default=(),
        description="from which images are fetched, such as `images.example.com`, `*.example.com` "
        "(those below it), `images.example.com:8443` or `*` (all), in lower case; none: a URL is "
        "refused. Addresses that are not public are never connected to",
    )
    allow_http: bool = Field(
        default=False, description="whether URLs may begin with `http://`, which anybody can forge"
    )
    max_bytes: int = Field(
        default=10_000_000, ge=1, description="of an image, in the request or fetched; else a 400"
    )
    max_fetched: int = Field(default=8, ge=1, description="images by URL in a request")
    max_fetched_bytes: int = Field(
        default=20_000_000, ge=1, description="of all images by URL in a request"
    )
    timeout_seconds: float = Field(
        default=10, gt=0, description="time to fetch an image, redirects included"
    )


class GatewaySection(Section):
    """The HTTP edge."""

    host: str = Field(
        default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_-]+$", description="address to listen on"
    )
    port: int = Field(default=8000, ge=1, le=65535, description="port to listen on")
    replicas: int = Field(
        default=2,
        ge=1,
        description="gateway replicas; a failure of the only one stops all",
    )
    num_cpus: float = Field(default=0.1, ge=0, description="CPU cores reserved per gateway replica")
    api_keys_file: str | None = Field(
        default=None,
        description="file with one accepted bearer key per line, after `grader` or `operator` if "
        "it may do more than ask; None: requests need no key",
    )
    adapters_dir: str | None = Field(
        default=None,
        description="folder with a directory for each adapter that `POST /v1/niche/specialists` "
        "may name beside those under deployments/adapters; None: it may name those alone",
    )
    max_body_bytes: int = Field(
        default=4_000_000, ge=1, description="longer request bodies are refused with 413"
    )
    max_concurrent_requests: int = Field(
        default=512, ge=1, description="per replica; further requests are refused with 429"
    )
    max_connections_per_client: int = Field(
        default=DoorSettings.max_connections_per_client,
        ge=0,
        description="of one address at a node; further ones are refused with 429. Of IPv6 the "
        "first 64 bits count. Behind a proxy of `trusted_proxies` it bounds the requests at once "
        "of the address that the proxy names. 0: no bound. Takes effect at a start",
    )
    max_gets_per_client: int = Field(
        default=DoorSettings.max_gets_per_client,
        ge=0,
        description="GET requests of one address in ten seconds at a node, as of `/metrics`, "
        "`/readyz` or the evidence; further ones are refused with 429, after a second. Addresses "
        "count as in `max_connections_per_client`. 0: no bound. Takes effect at a start",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="addresses and networks of the proxies before the gateway, such as 10.0.0.0/8: "
        "they alone are believed when `x-forwarded-for` names a client, and they may open any "
        "number of connections. Takes effect at a start",
    )
    allowed_hosts: tuple[
        Annotated[
            str,
            StringConstraints(pattern=r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$|^\[[0-9a-f:.]+\]$"),
        ],
        ...,
    ] = Field(
        default=(),
        description="the names by which the gateway is called, such as `ai.example.com`, "
        "`*.example.com` (those below it) or `127.0.0.1`, in lower case and without a port; "
        "requests with another `host` are refused with 421, but for `/healthz` and `/readyz`. "
        "None: any",
    )
    head_timeout_seconds: float = Field(
        default=DoorSettings.head_timeout_seconds,
        ge=0.001,  # HAProxy counts milliseconds, and takes 0 for no limit
        le=_LONGEST_SECONDS,
        description="time for a client to send the head of its request, and the first 15 kB of its "
        "body; then 408. At least a millisecond, at most a week. Takes effect at a start",
    )
    max_concurrent_body_bytes: int | None = Field(
        default=None,
        description="per replica, of the bodies of all requests under way, but for the first "
        "65,536 bytes of each; what exceeds it is refused with 429. A request needs a few times as "
        "much memory. None: sixteen times `max_body_bytes`",
    )
    body_timeout_seconds: float = Field(
        default=30, gt=0, description="time for a client to send its request; then 408"
    )
    request_timeout_seconds: float = Field(
        default=600,
        gt=0,
        le=_LONGEST_SECONDS,
        description="time from the request to the last token; then 504. The most that a request's "
        "own `x-request-timeout` may ask for, and how long parts that stop are waited for. At most "
        "a week",
    )
    max_wait_seconds: float = Field(
        default=10,
        gt=0,
        description="time that a request may wait for a model's slot; with a longer expected wait "
        "the next model is asked, or the answer is 429",
    )
    first_token_timeout_seconds: float = Field(
        default=60,
        gt=0,
        description="time to the first token of a model; then the next model is asked. A model's "
        "own `first_token_timeout_seconds` goes before",
    )
    token_timeout_seconds: float = Field(
        default=60,
        gt=0,
        description="time between two tokens of a stream; then it ends with an error",
    )
    introduce_bare_answers: bool = Field(
        default=True,
        description="with `auto`, the generalist reads what a specialist answered as nothing but "
        "JSON, a query, an equation or a label with words around it, so that it does not go on in "
        "that form",
    )
    cors_allow_origins: tuple[
        Annotated[str, StringConstraints(pattern=r"^(\*|https?://[^/\s]+)$")], ...
    ] = Field(
        default=(),
        description="origins whose pages may call this gateway from a browser, such as "
        "https://app.example.com; `*`: every page; none: only the gateway's own page",
    )
    public_metrics: bool = Field(
        default=True,
        description="whether `/metrics` is served at `port`, to everybody; the chart's exporter "
        "serves them on a port of its own all the same",
    )
    images: ImagesSection = Field(
        default=ImagesSection(), description="sizes of images, and whence they are fetched"
    )
    shadow: ShadowSection | None = Field(
        default=None, description="comparison of answers in the background; None: off"
    )
    response_store: ResponseStoreSection | None = Field(
        default=None, description="for `previous_response_id` of `/v1/responses`; None: off"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_network, proxies))

    @property
    def door(self) -> DoorSettings:
        """What the door, which knows no niche.yaml, has to know of it."""
        return DoorSettings(
            host=self.host,
            head_timeout_seconds=self.head_timeout_seconds,
            max_connections_per_client=self.max_connections_per_client,
            max_gets_per_client=self.max_gets_per_client,
            trusted_proxies=self.trusted_proxies,
        )

    @property
    def drain_seconds(self) -> int:
        """How long what stops waits for its answers, and a proxy for an answer: as long as one may
        take."""
        return math.ceil(self.request_timeout_seconds) + LAST_WRITE_SECONDS

    @property
    def body_room_bytes(self) -> int:
        """How many bytes the bodies of the requests under way may have."""
        return self.max_concurrent_body_bytes or _BODIES * self.max_body_bytes

    @model_validator(mode="after")
    def _room_for_a_body(self) -> Self:
        if self.body_room_bytes < self.max_body_bytes:
            raise ValueError(
                f"max_concurrent_body_bytes: {self.max_concurrent_body_bytes} has no room for one "
                f"body of max_body_bytes, {self.max_body_bytes}; raise it, or leave it out"
            )
        return self


class DecisionLogSection(Section):
    """The file of decisions, to train routers from; see `gateway/decision_log.py`."""

    path: str = Field(min_length=1, description="file that gets a line of JSON per decision")
    prompts: Literal["hashed", "text", "none"] = Field(
        default="hashed",
        description="what a line holds of the prompt; `text`: the whole conversation",
    )


class TracingSection(Section):
    """A trace per request; needs the extra `tracing`."""

    endpoint: HttpUrl = Field(
        description="OTLP collector over HTTP, e.g. http://collector:4318/v1/traces"
    )
    sample_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="part of the requests to trace, where the client has not decided it",
    )
    service_name: str = Field(
        default="niche-gateway", min_length=1, description="service name in the traces"
    )


class ObservabilitySection(Section):
    """Currency, decision log and traces."""

    currency: str = Field(
        default="USD", min_length=1, max_length=8, description="name of the currency of all prices"
    )
    decision_log: DecisionLogSection | None = Field(
        default=None, description="file of all decisions; None: off"
    )
    tracing: TracingSection | None = Field(
        default=None, description="OpenTelemetry traces; None: off"
    )


def _network(proxy: str) -> str:
    """With the length of its prefix. HAProxy knows no scopes, and reads the mask of a host,
    0.255.255.255, as that of a network."""
    try:
        network = ip_network(proxy)
    except ValueError as error:
        raise ValueError(f"{error}; give an address or a network, 10.0.0.0/8") from None
    mask = proxy.partition("/")[2]
    if "%" in proxy or ("." in mask and mask != str(network.netmask)):
        raise ValueError(f"{proxy!r} has a scope, or a host's mask; give a network, 10.0.0.0/8")
    return str(network)


class NicheConfig(Section):
    """The whole stack: one generalist, its specialists, models that embed or rank, the router, the
    edge."""

    generalist: ModelSpec = Field(description="model that answers everything no specialist answers")
    specialists: tuple[ModelSpec, ...] = Field(
        default=(),
        description="specialists; within a domain the next in order is asked if one fails",
    )
    embeddings: tuple[ModelSpec, ...] = Field(
        default=(), description="models for `/v1/embeddings`, each asked by its name"
    )
    rerankers: tuple[ModelSpec, ...] = Field(
        default=(), description="models for `/v1/rerank`, each asked by its name"
    )
    router: RouterConfig = Field(default=RouterConfig(), description="how the domain is decided")
    gateway: GatewaySection = Field(default=GatewaySection(), description="the HTTP edge")
    observability: ObservabilitySection = Field(
        default=ObservabilitySection(), description="metrics, logs and traces"
    )

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _of_their_kind(cls, specs: Any, info: ValidationInfo) -> Any:
        """Models of these lists need not say of which kind they are."""
        if not isinstance(specs, list | tuple):
            return specs
        kind = {"kind": _LISTS[info.field_name or ""]}
        return [kind | of if isinstance(of, dict) else of for of in specs]

    def places(self) -> list[tuple[str, ModelSpec]]:
        """Each model with its key."""
        return [
            ("generalist", self.generalist),
            *(
                (f"{key}[{index}]", spec)
                for key in ("specialists", *_LISTS)
                for index, spec in enumerate(getattr(self, key))
            ),
        ]

    @model_validator(mode="after")
    def _sound(self, info: ValidationInfo) -> "NicheConfig":
        """All faults at once, a line each; they are no error to who gives a list for them."""
        faults = [
            *self._name_clashes(),
            *self._wrong_kinds(),
            *self._wrong_domains(),
            *self._pool_conflicts(),
            *self._unpriced_worth(),
            *self._unfair_comparison(),
        ]
        if isinstance(info.context, list):
            info.context.extend(faults)
        elif faults:
            raise ValueError("\n".join(faults))
        return self

    def _name_clashes(self) -> Iterator[str]:
        if self.generalist.name == AUTO:
            yield f"generalist.name: {AUTO!r} is the name of the router; choose another"
        names = [AUTO, *(spec.name for spec in self.models)]
        first = {spec.name: where for where, spec in reversed(self.places()[1:])}
        for name, where in first.items():
            if names.count(name) > 1:
                yield f"{where}.name: {name!r} is already used; names must be unique"

    def _wrong_kinds(self) -> Iterator[str]:
        for where, spec in self.places():
            if spec.kind != _LISTS.get(where.partition("[")[0], "generation"):
                lists = [key for key, of in _LISTS.items() if of == spec.kind]
                remedy = f"list the model under {lists[0]}" if lists else "remove the key"
                yield f"{where}.kind: not {spec.kind} here; {remedy}"

    def _wrong_domains(self) -> Iterator[str]:
        if self.generalist.domain is not None:
            yield "generalist.domain: the generalist has no domain; remove the key"
        for index, spec in enumerate(self.specialists):
            where = f"specialists[{index}]"
            if spec.domain is None:
                yield f"{where}.domain: a specialist ({spec.name!r}) needs a domain"
            if spec.domain == GENERAL:
                yield f"{where}.domain: {GENERAL!r} is the generalist's domain; name another"
            if spec.initial_state != "active" and self.gateway.shadow is None:
                yield (
                    f"{where}.initial_state: {spec.initial_state!r} would last forever; "
                    "set gateway.shadow"
                )

    def _pool_conflicts(self) -> Iterator[str]:
        try:
            pools(self.models)
        except PoolConflict as conflict:
            where = next(key for key, spec in self.places() if spec.name == conflict.model)
            yield f"{where}.pool: {conflict}"

    def _unpriced_worth(self) -> Iterator[str]:
        prices = {spec.price for spec in (self.generalist, *self.specialists)}
        if self.router.selection.quality_point_worth is not None and prices == {Price()}:
            yield (
                "router.selection.quality_point_worth: no model has a price to weigh quality "
                "against; give the generalist and the specialists a price, or remove the key"
            )

    def _unfair_comparison(self) -> Iterator[str]:
        shadow = self.gateway.shadow
        if shadow is None:
            return
        names = [spec.name for spec in self.specialists]
        unknown = sorted({part.specialist for part in shadow.grading} - set(names))
        if unknown:
            yield (
                f"gateway.shadow.grading: no specialist {', '.join(unknown)}; "
                f"there are {', '.join(names) or 'none'}"
            )
        if shadow.judge is not None and self._is_compared(shadow.judge):
            yield (
                f"gateway.shadow.judge: {shadow.judge.model!r} would judge its own answers; "
                "name another model"
            )

    def _is_compared(self, judge: JudgeSection) -> bool:
        """Whether the judge is one of the compared models, directly or through this gateway."""
        edge, url = self.gateway, judge.base_url.rstrip("/")
        if url == f"{http_url(edge.host, edge.port)}/v1":
            return True
        return any(
            str(spec.engine_options.get("base_url", "")).rstrip("/") == url
            and (spec.engine_options.get("model") or spec.model) == judge.model
            for spec in self.models
            if spec.engine == "openai"
        )

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """All models, the generalist first."""
        return (*self.generating, *self.embeddings, *self.rerankers)

    @property
    def generating(self) -> tuple[ModelSpec, ...]:
        """The models that answer with text, the generalist first."""
        return (self.generalist, *self.specialists)

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The deployments of models; the gateway asks the models that are in none itself."""
        return pools(self.models)

    def pool_of(self, model: str) -> Pool | None:
        """The deployment of a model; None: the gateway asks it itself."""
        return next((pool for pool in self.pools if model in pool.model_names), None)

    @property
    def judge(self) -> JudgeSection | None:
        """The judge of `gateway.shadow`, if there is one."""
        return self.gateway.shadow.judge if self.gateway.shadow else None

    def models_of(self, domain: str) -> tuple[str, ...]:
        """The specialists of a domain, in the file's order."""
        return tuple(spec.name for spec in self.specialists if spec.domain == domain)
