"""The address of an HTTP server."""


def http_url(host: str, port: int) -> str:
    """Its URL, without a path; an IPv6 address stands in brackets there."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
