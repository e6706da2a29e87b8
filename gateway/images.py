"""The images of a request, each in the request itself before a model reads it: the gateway fetches
those that are named by URL, so that no engine opens what a client names.

Rules: each URL, and each that it redirects to, is at a host of `gateway.images`; which addresses a
host may have is for `gateway.public_network`. All URLs of a request are checked before any is
opened.
"""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from gateway.config import ImagesSection
from gateway.dialects.parse import CompletionRequest
from gateway.dialects.turns import Image, with_images
from gateway.errors import (
    GatewayError,
    ImageNotFetched,
    ImageTooLarge,
    ImageUrlRefused,
    TooManyImageUrls,
    UnsupportedImage,
)
from gateway.public_network import public_connector

_FORMATS: Mapping[str, re.Pattern[bytes]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "image/gif": re.compile(rb"GIF8[79]a"),
}
"""How the files begin that engines read."""

_HEADERS = {
    "Accept": ", ".join(_FORMATS),
    "Accept-Encoding": "identity",  # what is counted is what was sent
    "User-Agent": "niche-gateway",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 3
_PORTS = {"https": 443, "http": 80}
_LONGEST_URL = 8_192  # yarl remembers some
_SHOWN_CHARACTERS = 80


@dataclass(slots=True)
class _Room:
    """How many bytes a request's images may still have."""

    left: int


class Images:
    """Fetches images. Who owns it starts and stops it.

    Args:
        settings: the limits, and the hosts.
        connect: makes the connector to the hosts.
    """

    def __init__(
        self,
        settings: ImagesSection,
        connect: Callable[[], aiohttp.BaseConnector] = public_connector,
    ) -> None:
        self._settings, self._connect = settings, connect
        self._schemes = ("https", "http") if settings.allow_http else ("https",)
        named = [host.partition(":") for host in settings.hosts]
        self._hosts = [(host, int(port) if port else None) for host, _, port in named]
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Makes it usable, on the running loop."""
        if self._hosts:
            self._session = aiohttp.ClientSession(
                connector=self._connect(),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),  # that of all redirects counts
                auto_decompress=False,
                headers=_HEADERS,
            )

    async def stop(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def inlined(self, request: CompletionRequest) -> CompletionRequest:
        """The request with all its images in it.

        Raises:
            GatewayError: an image is too large, refused or cannot be had; it names the place.
        """
        images = request.images
        largest = self._settings.max_bytes
        for image in images:
            if not image.is_remote and _decoded_bytes(image.url) > largest:
                raise self._too_large(request.named(image.place))
        if not (remote := [image for image in images if image.is_remote]):
            return request
        fetched = iter(await self._all(self._targets(request, remote)))
        urls = [next(fetched) if image.is_remote else image.url for image in images]
        messages = with_images(request.fields["messages"], urls)
        return replace(request, fields={**request.fields, "messages": messages})

    def _targets(
        self, request: CompletionRequest, remote: Sequence[Image]
    ) -> list[tuple[str, URL]]:
        """The places of images in the client's body, and whence they are fetched."""
        if len(remote) > (most := self._settings.max_fetched):
            place = request.named(remote[most].place)
            raise TooManyImageUrls(
                f"{place}: at most {most} images of a request may be URLs; send others "
                "themselves, as data:image/...",
                place,
            )
        places = [request.named(image.place) for image in remote]
        return [
            (place, self._allowed(place, image.url))
            for place, image in zip(places, remote, strict=True)
        ]

    async def _all(self, targets: Sequence[tuple[str, URL]]) -> list[str]:
        """The images, as `data:` URLs."""
        room = _Room(self._settings.max_fetched_bytes)
        tasks = [asyncio.create_task(self._data_url(*target, room)) for target in targets]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _data_url(self, place: str, url: URL, room: _Room) -> str:
        seconds = self._settings.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                data = await self._fetched(place, url, room)
        except TimeoutError:
            late = f"{place}: the image was not there after {seconds:g} s."
            raise ImageNotFetched(late, place) from None
        except aiohttp.ClientSSLError:
            forged = f"{place}: its host does not prove who it is, by a certificate."
            raise ImageNotFetched(forged, place) from None
        except aiohttp.ClientConnectorError:
            hidden = f"{place}: its host cannot be reached at a public address."
            raise ImageNotFetched(hidden, place) from None
        except (aiohttp.ClientError, UnicodeError):  # the latter of names that DNS cannot have
            raise ImageNotFetched(f"{place}: the image cannot be fetched.", place) from None
        media_type = next((name for name, begin in _FORMATS.items() if begin.match(data)), None)
        if media_type is None:
            raise UnsupportedImage(f"{place}: what is there is no PNG, JPEG, WebP or GIF.", place)
        encoded = await asyncio.to_thread(base64.b64encode, data)
        return f"data:{media_type};base64,{encoded.decode()}"

    async def _fetched(self, place: str, url: URL, room: _Room) -> bytes:
        assert self._session is not None, "not started"
        for _ in range(1 + _MAX_REDIRECTS):
            async with self._session.get(url, allow_redirects=False) as response:
                target = response.headers.get("Location")
                if response.status not in _REDIRECTS or target is None:
                    return await self._read(place, response, room)
            url = self._allowed(place, target, url)
        raise ImageNotFetched(
            f"{place}: it redirects more than {_MAX_REDIRECTS} times; send its last URL.", place
        )

    async def _read(self, place: str, response: aiohttp.ClientResponse, room: _Room) -> bytes:
        if response.status != 200:
            raise ImageNotFetched(f"{place}: its host answered {response.status}.", place)
        if not response.content_type.startswith("image/"):
            kind = ascii(response.content_type[:_SHOWN_CHARACTERS])
            raise UnsupportedImage(f"{place}: what is there is {kind}, and no image.", place)
        data, largest = bytearray(), self._settings.max_bytes
        async for piece in response.content.iter_any():
            data += piece
            room.left -= len(piece)
            if max(len(data), response.content_length or 0) > largest:
                raise self._too_large(place)
            if room.left < 0:
                most = self._settings.max_fetched_bytes
                raise ImageTooLarge(f"{place}: with it the images exceed {most} bytes.", place)
        return bytes(data)

    def _allowed(self, place: str, address: str, base: URL | None = None) -> URL:
        """A URL that may be opened; `base` is what redirects to it."""
        if len(address) > _LONGEST_URL:
            long = f"{place}: a URL may have {_LONGEST_URL} characters."
            raise ImageUrlRefused(long, place)
        try:
            url = URL(address) if base is None else base.join(URL(address))
        except ValueError:
            raise ImageUrlRefused(f"{place}: this is no URL.", place) from None
        if (reason := self._refusal(url)) is not None:
            raise ImageUrlRefused(f"{place}: {reason}", place)
        return url

    def _refusal(self, url: URL) -> str | None:
        if url.scheme not in self._schemes:
            return "images are fetched by https:// alone, as gateway.images.allow_http says."
        if url.raw_user is not None or url.raw_password is not None:
            return "a URL must have neither user nor password."
        host = (url.raw_host or "").rstrip(".")
        port = url.port
        if any(
            port == (own or _PORTS[url.scheme]) and _fits(host, name) for name, own in self._hosts
        ):
            return None
        shown = ascii((url.host_port_subcomponent or "")[:_SHOWN_CHARACTERS])
        return (
            f"gateway.images.hosts allows no images from {shown}; "
            "send the image itself, as data:image/..."
        )

    def _too_large(self, place: str) -> GatewayError:
        most = self._settings.max_bytes
        return ImageTooLarge(f"{place}: an image may have {most} bytes; send a smaller one.", place)


def _fits(host: str, name: str) -> bool:
    """Whether a host is the named one, or one of those that a name with an asterisk means."""
    return host != "" and (host == name or (name[:1] == "*" and host.endswith(name[1:])))


def _decoded_bytes(url: str) -> int:
    """How many bytes a `data:` URL in base64 holds."""
    return (len(url) - url.find(",") - 1) * 3 // 4 - url[-2:].count("=")
