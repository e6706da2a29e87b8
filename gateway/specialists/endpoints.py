"""`/v1/niche/specialists`: an operator adds a specialist to the file that the stack follows, or
removes one, as `niche specialists` does.

Rule: a request names no path. Its adapter is looked up in a listing of those that ship and those in
`gateway.adapters_dir`, and has a base that the stack has loaded.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from deployments.models.adapters import ADAPTERS, CARD
from deployments.models.errors import ModelError
from gateway.config import ConfigError, GatewaySection
from gateway.errors import (
    AdapterNotFound,
    ChangeRefused,
    InvalidValue,
    ModelNotFound,
    NameTaken,
    NoFollowedFile,
)
from gateway.specialists.schemas import Change, NewSpecialist, SpecialistChange
from gateway.specialists.stack_file import (
    SpecialistExists,
    StackFile,
    UnknownSpecialist,
    UnservedBase,
)
from gateway.validation import read_as
from router.errors import RouterError, UnknownDomain

_log = logging.getLogger("gateway.specialists")

_ADDED = (
    "The stack loads it beside what serves, within half a minute as a rule; then every replica "
    "answers it. If it cannot be served, everything stays as it was, and niche serve says why."
)
_REMOVED = "The stack lets it go when it has answered; its domain's requests go elsewhere."


class SpecialistEndpoints:
    """The endpoints.

    Args:
        limits: of bodies, and the operator's folder of adapters.
        file: which the stack follows; None: none that a request may change.
    """

    def __init__(self, limits: GatewaySection, file: StackFile | None) -> None:
        self._limits, self._file = limits, file
        self._one = asyncio.Lock()

    async def add(self, request: Request) -> Response:
        """`POST /v1/niche/specialists`.

        Raises:
            GatewayError: the body is invalid, or a stack would not serve the specialist.
        """
        file = self._followed()
        wanted = await read_as(request, NewSpecialist, self._limits)

        def change() -> None:
            known = adapters_by_name(self._limits.adapters_dir)
            if wanted.adapter not in known:
                raise AdapterNotFound(
                    f"Adapter {wanted.adapter[:80]!r} does not exist; available, under "
                    f"deployments/adapters and in gateway.adapters_dir: {', '.join(known)}.",
                    "adapter",
                )
            file.add(wanted.name, known[wanted.adapter], wanted.domain, served_bases=True)

        await self._change(change)
        fields = {"specialist": wanted.name, "action": "add", "adapter": wanted.adapter}
        _log.info("an action of the operator", extra={"fields": fields})
        return _accepted(wanted.name, "added", _ADDED)

    async def remove(self, request: Request) -> Response:
        """`DELETE /v1/niche/specialists/{name}`.

        Raises:
            GatewayError: there is no such specialist, or a stack would not serve what is left.
        """
        file, name = self._followed(), request.path_params["name"]
        await self._change(lambda: file.remove(name))
        fields = {"specialist": name, "action": "remove"}
        _log.info("an action of the operator", extra={"fields": fields})
        return _accepted(name, "removed", _REMOVED)

    def _followed(self) -> StackFile:
        if self._file is None:
            raise NoFollowedFile(
                "This stack follows no file that a request may change. On Kubernetes its state is "
                "the release's values: change niche.specialists there and run helm upgrade. On one "
                "machine run niche serve with a niche.yaml of your own, which niche init writes."
            )
        return self._file

    async def _change(self, change: Callable[[], None]) -> None:
        """Changes the file on another thread, of which waiting requests take one in all."""
        async with self._one:
            with _translated():
                await asyncio.to_thread(change)


def adapters_by_name(folder: str | None) -> Mapping[str, str]:
    """The adapters that a request may name, as a configuration refers to them.

    Args:
        folder: the operator's own, with a directory for each; those that ship come first.
    """
    own = {} if folder is None else {of.name: str(of) for of in _adapters(Path(folder))}
    return own | {of.name: of.name for of in _adapters(ADAPTERS)}


def _adapters(folder: Path) -> list[Path]:
    return sorted(card.parent for card in folder.expanduser().glob(f"*/{CARD}"))


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what the file refuses into an error for the client."""
    try:
        yield
    except SpecialistExists as error:
        raise NameTaken(str(error), "name") from None
    except UnknownSpecialist as error:
        raise ModelNotFound(str(error), "name") from None
    except (UnservedBase, ModelError) as error:
        raise InvalidValue(str(error), "adapter") from None
    except UnknownDomain as error:
        raise InvalidValue(str(error), "domain") from None
    except (ConfigError, RouterError) as error:
        raise ChangeRefused(str(error)) from None


def _accepted(name: str, change: Change, message: str) -> Response:
    body = SpecialistChange(
        name=name, change=change, message=message, see=[f"/v1/models/{name}", "/readyz"]
    )
    return Response(msgspec.json.encode(body), 202, media_type="application/json")
