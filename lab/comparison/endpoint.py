"""An OpenAI-compatible server, and the models that it lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from lab.comparison.errors import ComparisonError

_SHOWN = 200
_SILENT = ("embedding", "reranking")  # roles of models that write no text


@dataclass(frozen=True)
class Endpoint:
    """The base URL including `/v1`, and the API key if the server needs one."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ComparisonError(
                f"{self.base_url!r} is not a URL such as http://127.0.0.1:8000/v1"
            )
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of every request."""
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True)
class Catalogue:
    """The models of a server.

    Attributes:
        models: names, in the server's order, but for models that write no text.
        generalist: the model marked as the generalist; None if none is.
        specialists: the first specialist of each domain.
    """

    models: tuple[str, ...] = ()
    generalist: str | None = None
    specialists: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Catalogue":
        """Builds a catalogue from the JSON values of `dataclasses.asdict`."""
        return cls(tuple(fields["models"]), fields["generalist"], fields["specialists"])


async def read_catalogue(http: httpx.AsyncClient, endpoint: Endpoint) -> Catalogue:
    """Requests a server's list of models; empty if it has no such list.

    Raises:
        ComparisonError: the server does not answer, fails, or rejects the key.
    """
    url = f"{endpoint.base_url}/models"
    try:
        response = await http.get(url, headers=endpoint.headers)
    except httpx.HTTPError as error:
        raise ComparisonError(
            f"{url}: {_reason(error)}; start the server, or name another with --base-url"
        ) from error
    if response.status_code in (401, 403):
        raise ComparisonError(
            f"{url}: HTTP {response.status_code}: {response.text[:_SHOWN]}; name the environment "
            "variable that holds the key with --api-key-env"
        )
    if response.is_server_error:
        raise ComparisonError(
            f"{url}: HTTP {response.status_code}: {response.text[:_SHOWN]}; wait until the server "
            "is ready, or name another with --base-url"
        )
    try:
        return _catalogue(response.json()["data"])
    except (ValueError, KeyError, TypeError):
        return Catalogue()  # not every server lists its models; options can name them


def _catalogue(listed: list[dict[str, Any]]) -> Catalogue:
    every = [(str(model["id"]), model.get("niche") or {}) for model in listed]
    roles = [(name, niche) for name, niche in every if niche.get("role") not in _SILENT]
    specialists: dict[str, str] = {}
    for name, niche in roles:
        if niche.get("role") == "specialist":
            specialists.setdefault(str(niche.get("domain")), name)
    generalists = [name for name, niche in roles if niche.get("role") == "generalist"]
    return Catalogue(tuple(name for name, _ in roles), next(iter(generalists), None), specialists)


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
