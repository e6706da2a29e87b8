"""The address of an HTTP server, and what is wrong with one that a configuration names."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, WithJsonSchema

_EXAMPLE = "such as http://host:8000/v1"
_ENDPOINT = re.compile(r"/chat/completions$|(?<=/v\d)/(completions|embeddings|rerank)$")


def http_url(host: str, port: int) -> str:
    """Its URL, without a path; an IPv6 address stands in brackets there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def checked_http_url(url: str) -> str:
    """A URL, its scheme in lower case.

    Raises:
        ValueError: no server can be at it. The words repeat nothing of it: it may hold a password.
    """
    # `urlsplit` would drop some of them.
    if " " in url or not url.isprintable():
        raise ValueError("has whitespace or a control character; leave it out")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(
            f"its port is not from 1 to 65535, or its brackets do not match; give one {_EXAMPLE}"
        ) from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"does not begin with http:// or https://; give one {_EXAMPLE}")
    if not parts.hostname:
        raise ValueError(f"names no host; give one {_EXAMPLE}")
    if port == 0:
        raise ValueError(f"no server has port 0; give one {_EXAMPLE}")
    return parts.scheme + url[len(parts.scheme) :]


def checked_base_url(url: str) -> str:
    """The same for one to which the paths of endpoints are appended."""
    url = checked_http_url(url)
    if "?" in url or "#" in url:
        raise ValueError("paths are appended to it; leave out what begins with ? or #")
    if endpoint := _ENDPOINT.search(urlsplit(url).path.rstrip("/")):
        raise ValueError(f"endpoints are appended to it; leave out {endpoint[0]}")
    return url


def _like(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


_HOST = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#\s]+"
HttpUrl = Annotated[str, AfterValidator(checked_http_url), _like(_HOST)]
BaseUrl = Annotated[str, AfterValidator(checked_base_url), _like(rf"{_HOST}(/[^?#\s]*)?$")]
