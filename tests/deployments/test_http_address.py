"""The address of an HTTP server."""

import pytest

from deployments.http_address import checked_base_url, checked_http_url, http_url


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("a.example", "http://a.example:80")],
)
def test_a_name_or_an_address_stands_as_it_is(host: str, url: str) -> None:
    assert http_url(host, 80) == url


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert http_url("::1", 80) == "http://[::1]:80"


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("http://x", "http://x"),
        ("https://me:pass@x.example:8443/v1/", "https://me:pass@x.example:8443/v1/"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("HTTP://X/v1", "http://X/v1"),
        ("http://x/embeddings", "http://x/embeddings"),
    ],
)
def test_a_base_url_stays_but_for_the_letters_of_its_scheme(url: str, checked: str) -> None:
    assert checked_base_url(url) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x:8000/v1",
        "ftp://x/v1",
        "http:///v1",
        "http://:80/v1",
        "http://x:0/v1",
        "http://x:99999/v1",
        "http://x:port/v1",
        "http://[::1/v1",
        "http://x/v1 ",
        "http://x/v1\n",
    ],
)
def test_no_server_can_be_there(url: str) -> None:
    for check in (checked_http_url, checked_base_url):
        with pytest.raises(ValueError, match=r"leave it out|give one such as http"):
            check(url)


@pytest.mark.parametrize(
    ("url", "leave_out"),
    [
        ("http://x/v1?a=b", r"\?"),
        ("http://x/v1#f", "#"),
        ("http://x/v1/chat/completions", "/chat/completions"),
        ("http://x/v1/chat/completions/", "/chat/completions"),
        ("http://x/v1/embeddings", "/embeddings"),
    ],
)
def test_what_no_path_can_be_appended_to_is_no_base(url: str, leave_out: str) -> None:
    """The error names what to leave out; the whole of such a URL may be an endpoint's own."""
    assert checked_http_url(url) == url
    with pytest.raises(ValueError, match=f"leave out .*{leave_out}"):
        checked_base_url(url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="port") as refused:
        checked_http_url("http://me:secret/@x/v1")
    assert "secret" not in str(refused.value)
