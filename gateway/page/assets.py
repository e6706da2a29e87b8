"""The page's files, read once: markup, style and scripts, all from this folder.

Rule: the page works without internet. Its Content-Security-Policy limits loads and requests to this
gateway and scripts to these files, and forbids framing and markup made of text.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import PathNotFound

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # A browser that knows these makes markup or code of no text, whoever wrote it.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_FEATURES = ("camera", "geolocation", "microphone", "payment", "usb")
"""Those that the page lacks, whatever its scripts became."""
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",  # for browsers that do not know frame-ancestors
    "permissions-policy": ", ".join(f"{name}=()" for name in _FEATURES),
    # The files must match each other and the gateway's version: revalidate at each visit.
    "cache-control": "no-cache",
}
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
"""Of the files, by their suffixes."""
_FRONT = "index.html"


class Page:
    """`GET /` and `GET /page/NAME`; both need no key, since they show nothing about requests."""

    def __init__(self) -> None:
        files = (path for path in Path(__file__).parent.iterdir() if path.suffix in MEDIA_TYPES)
        self._files = {path.name: path.read_bytes() for path in files}

    async def front(self, _request: Request) -> Response:
        """`GET /`."""
        return self._response(_FRONT)

    async def asset(self, request: Request) -> Response:
        """`GET /page/{name}`.

        Raises:
            PathNotFound: the page has no such file.
        """
        name = request.path_params["name"]
        if name not in self._files:
            raise PathNotFound(f"The page has no file {name[:80]!r}.")
        return self._response(name)

    def _response(self, name: str) -> Response:
        media_type = MEDIA_TYPES[Path(name).suffix]
        return Response(self._files[name], headers=_HEADERS, media_type=media_type)
