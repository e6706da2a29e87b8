"""The address of an HTTP server."""

import pytest

from deployments.http_address import http_url


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("a.example", "http://a.example:80")],
)
def test_a_name_or_an_address_stands_as_it_is(host: str, url: str) -> None:
    assert http_url(host, 80) == url


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert http_url("::1", 80) == "http://[::1]:80"
