"""Images by URL, from a server on loopback to what a model reads: what is fetched, and what is
refused."""

import json
import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from gateway.config import ImagesSection
from gateway.dialects.parse import parse_chat
from gateway.errors import (
    GatewayError,
    ImageNotFetched,
    ImageTooLarge,
    ImageUrlRefused,
    TooManyImageUrls,
    UnsupportedImage,
)
from gateway.images import Images
from gateway.public_network import public_connector
from tests.gateway.name_server import NameServer
from tests.gateway.pictures import HERE, PNG, Pictures, as_data

FILES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(20),
    "image/gif": b"GIF89a" + bytes(20),
    "image/webp": b"RIFF\n\x00\x00\x00WEBPVP8 " + bytes(20),
}


def chat(*urls):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return parse_chat({"model": "auto", "messages": [{"role": "user", "content": parts}]})


@asynccontextmanager
async def fetcher(pictures, connect=None, **changes):
    settings = ImagesSection(**pictures.settings(**changes))
    images = Images(settings, connect or pictures.connector)
    await images.start()
    try:
        yield images
    finally:
        await images.stop()


async def fetched(pictures, *urls, connect=None, **changes):
    """What a model reads instead of these URLs."""
    async with fetcher(pictures, connect, **changes) as images:
        request = await images.inlined(chat(*urls))
    [message] = json.loads(request.body())["messages"]
    return [part["image_url"]["url"] for part in message["content"]]


async def refused(pictures, *urls, connect=None, **changes):
    """The kind of the error for these URLs, and the place that it names."""
    with pytest.raises(GatewayError) as caught:
        await fetched(pictures, *urls, connect=connect, **changes)
    error = caught.value
    assert error.message.startswith(f"{error.parameter}: ")
    return type(error), error.parameter


@pytest.fixture
async def pictures():
    async with Pictures().serving() as serving:
        yield serving


@pytest.mark.parametrize("kind", FILES)
async def test_an_image_becomes_a_data_url(pictures, kind):
    """Of the kind that its bytes say, whatever its host calls it."""
    url = pictures.at("/a", FILES[kind], kind="image/anything")

    assert await fetched(pictures, url) == [as_data(kind, FILES[kind])]


async def test_images_keep_their_order(pictures):
    """Those in the request too, which stay as they are."""
    inside = as_data("image/png", PNG)
    first, second = (pictures.at(f"/{n}", PNG + bytes([n])) for n in (1, 2))

    found = await fetched(pictures, first, inside, second)

    assert found == [
        as_data("image/png", PNG + b"\1"),
        inside,
        as_data("image/png", PNG + b"\2"),
    ]


async def test_the_host_learns_nothing_of_the_client(pictures):
    """It is asked for the formats that are read, uncompressed, and gets no cookie of its own."""
    url = pictures.at("/a", **{"Set-Cookie": "a=b; Path=/"})

    await fetched(pictures, url, url)

    for request in pictures.seen:
        assert request.headers["Host"] == f"pictures.test:{pictures.port}"
        assert request.headers["Accept"] == "image/png, image/jpeg, image/webp, image/gif"
        assert request.headers["Accept-Encoding"] == "identity"
        assert not {"Cookie", "Authorization", "Referer"} & set(request.headers)


async def test_redirects_are_followed(pictures):
    """Relative ones too, as long as each is allowed."""
    pictures.at("/c")
    pictures.at("/b", status=307, Location=pictures.url("/c"))
    url = pictures.at("/a", status=302, Location="b")

    assert await fetched(pictures, url) == [as_data("image/png", PNG)]


async def test_redirects_end(pictures):
    """Those in a circle at the fourth."""
    url = pictures.at("/a", status=302, Location="/a")

    assert await refused(pictures, url) == (ImageNotFetched, HERE)
    assert len(pictures.seen) == 4


@pytest.mark.parametrize(
    "target",
    [
        "http://other.test:{}/a",
        "//other.test:{}/a",
        "http://pictures.test/a",
        "http://pictures.test:1/a",
        "http://user@pictures.test:{}/a",
        "http://127.0.0.1:{}/a",
        "http://[::1]:{}/a",
        "ftp://pictures.test:{}/a",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://pictures.test:99999/a",
        "https:///a",
    ],
)
async def test_a_redirect_is_checked_as_the_url_is(pictures, target):
    """Its host, port and scheme; nothing more is sent."""
    url = pictures.at("/b", status=302, Location=target.format(pictures.port))

    assert await refused(pictures, url) == (ImageUrlRefused, HERE)
    assert len(pictures.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.test/a",
        "http://pictures.test:1/a",
        "https://pictures.test/a",
        "http://a.pictures.test:{}/a",
        "http://xpictures.test:{}/a",
        "http://pictures.test.evil.test:{}/a",
        "http://pictures.test:{}@evil.test/a",
        "http://evil.test#@pictures.test:{}/a",
        "http://evil.test\\@pictures.test:{}/a",
        "http://:key@pictures.test:{}/a",
        "http://pictures.test:99999/a",
        "http:///a",
        "http://",
        "https://" + "a" * 9_000,
    ],
)
async def test_other_hosts_are_refused(pictures, url):
    """By the whole name and its port; not even a name is looked up."""
    names = pictures.names()

    found = await refused(
        pictures, url.format(pictures.port), connect=lambda: pictures.connector(names)
    )

    assert (found, names.asked) == ((ImageUrlRefused, HERE), [])


async def test_nothing_is_fetched_unless_hosts_are_named(pictures):
    """Which is the default; the error names the setting."""
    with pytest.raises(ImageUrlRefused, match=r"gateway\.images\.hosts"):
        await fetched(pictures, pictures.at("/a"), hosts=())


async def test_http_is_for_the_operator_to_allow(pictures):
    """By default a URL has to be `https://`; the error names the setting."""
    with pytest.raises(ImageUrlRefused, match=r"gateway\.images\.allow_http"):
        await fetched(pictures, pictures.at("/a"), allow_http=False)
    assert pictures.seen == []


async def test_all_urls_are_checked_before_any_is_opened(pictures):
    """The last one too."""
    other = pictures.url("/a", "other.test")

    kind, place = await refused(pictures, pictures.at("/a"), other)

    assert (kind, place) == (ImageUrlRefused, "messages[0].content[1].image_url.url")
    assert pictures.seen == []


@pytest.mark.parametrize(
    ("hosts", "name", "fits"),
    [
        ("*.pictures.test", "a.b.pictures.test", True),
        ("*.pictures.test", "pictures.test", False),
        ("*.pictures.test", "xpictures.test", False),
        ("*", "anything", True),
        ("pictures.test", "PICTURES.test.", True),
    ],
)
async def test_names_with_an_asterisk(pictures, hosts, name, fits):
    """Mean the hosts below; case and a final dot say nothing."""
    pictures.at("/a")
    names = NameServer({name.lower(): [["127.0.0.1"]]})
    found = fetched(
        pictures,
        pictures.url("/a", name),
        connect=lambda: pictures.connector(names),
        hosts=(f"{hosts}:{pictures.port}",),
    )

    if fits:
        assert await found == [as_data("image/png", PNG)]
    else:
        with pytest.raises(ImageUrlRefused):
            await found


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["10.1.2.3", "fd00::1"], ["169.254.169.254"], ["::ffff:7f00:1"], ["0.0.0.0"]],
)
async def test_an_allowed_host_has_a_public_address(pictures, answers):
    """One that resolves to this machine or its neighbours is not connected to."""
    url, names = pictures.at("/a"), NameServer({"pictures.test": [answers]})

    found = await refused(pictures, url, connect=lambda: public_connector(names))

    assert found == (ImageNotFetched, HERE)
    assert (names.asked, pictures.seen) == (["pictures.test"], [])


async def test_a_host_that_changes_its_address_is_checked_again(pictures):
    """A redirect to the same name is a new connection, whose address counts."""
    url = pictures.at("/a", status=302, Location="/b")
    names = NameServer({"pictures.test": [["127.0.0.1"], ["10.0.0.1"]]})

    found = await refused(pictures, url, connect=lambda: pictures.connector(names))

    assert found == (ImageNotFetched, HERE)
    assert (len(names.asked), len(pictures.seen)) == (2, 1)


@pytest.mark.parametrize("url", ["http://2130706433:{}/", "http://127.1:{}/", "http://0x7f.1:{}/"])
async def test_numbers_are_no_names(pictures, url):
    """Whichever way an address is written."""
    url = url.format(pictures.port)

    found = await refused(pictures, url, connect=public_connector, hosts=(f"*:{pictures.port}",))

    assert found == (ImageNotFetched, HERE)
    assert pictures.seen == []


async def test_a_name_that_cannot_be_looked_up(pictures):
    """As its first part is too long for one."""
    url = f"http://{'a' * 70}.test:{pictures.port}/"

    found = await refused(pictures, url, connect=public_connector, hosts=(f"*:{pictures.port}",))

    assert found == (ImageNotFetched, HERE)


@pytest.mark.parametrize("status", [204, 206, 304, 404, 500])
async def test_a_host_without_the_image(pictures, status):
    """Its status is told."""
    with pytest.raises(ImageNotFetched, match=str(status)):
        await fetched(pictures, pictures.at("/a", status=status))


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "image", "x" * 999])
async def test_what_is_declared_as_something_else(pictures, kind):
    """Is no image."""
    assert await refused(pictures, pictures.at("/a", kind=kind)) == (UnsupportedImage, HERE)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<svg/>", id="SVG"),
        pytest.param(b"RIFF\0\0\0\0WAVE", id="sound"),
        pytest.param(b"BM", id="BMP"),
        pytest.param(b" " + PNG, id="PNG after a space"),
        pytest.param(b"\xff\xd8", id="half of JPEG's beginning"),
        pytest.param(b"\x1f\x8b", id="gzip"),
    ],
)
async def test_what_only_claims_to_be_an_image(pictures, body):
    """Its bytes decide."""
    assert await refused(pictures, pictures.at("/a", body)) == (UnsupportedImage, HERE)


async def test_an_image_may_be_as_large_as_is_said(pictures):
    """One byte more is too much, of a length that is declared as of one that is not."""
    url = pictures.at("/a")

    assert await fetched(pictures, url, max_bytes=len(PNG)) == [as_data("image/png", PNG)]
    assert await refused(pictures, url, max_bytes=len(PNG) - 1) == (ImageTooLarge, HERE)


async def test_all_images_together_have_a_limit(pictures):
    """Two of them may be too much where one is not."""
    url, limits = pictures.at("/a"), {"max_bytes": 30, "max_fetched_bytes": 2 * len(PNG) - 1}

    assert await fetched(pictures, url, **limits) == [as_data("image/png", PNG)]
    assert (await refused(pictures, url, url, **limits))[0] is ImageTooLarge


async def test_a_request_has_a_number_of_urls(pictures):
    """Images in the request do not count."""
    url, inside = pictures.at("/a"), as_data("image/png", PNG)

    assert len(await fetched(pictures, inside, url, inside, url, max_fetched=2)) == 4
    assert await refused(pictures, url, url, inside, url, max_fetched=2) == (
        TooManyImageUrls,
        "messages[0].content[3].image_url.url",
    )


async def test_an_image_in_the_request_has_the_same_limit(pictures):
    """Though nobody fetches it."""
    url = as_data("image/png", PNG)

    assert await fetched(pictures, url, max_bytes=len(PNG)) == [url]
    assert await refused(pictures, url, url, max_bytes=len(PNG) - 1) == (ImageTooLarge, HERE)


async def test_a_host_has_limited_time(pictures):
    """Then its image is not there."""
    url = pictures.url("/late")

    assert await refused(pictures, url, timeout_seconds=0.01) == (ImageNotFetched, HERE)


async def test_a_host_that_breaks_off(pictures):
    """Half an image is none."""
    assert await refused(pictures, pictures.url("/half")) == (ImageNotFetched, HERE)


async def test_a_failed_image_ends_the_others(pictures):
    """Nobody waits for them."""
    late, gone = pictures.url("/late"), pictures.at("/a", status=404)

    assert await refused(pictures, late, gone) == (
        ImageNotFetched,
        "messages[0].content[1].image_url.url",
    )


@pytest.mark.parametrize(
    "host", ["https://a.test", "a.test/", "A.test", "a.*", "*a.test", "a:b", ""]
)
def test_what_is_no_host_is_refused(host):
    """It would never be the host of a URL."""
    with pytest.raises(ValidationError) as caught:
        ImagesSection(hosts=(host,))

    assert caught.value.errors()[0]["loc"] == ("hosts", 0)


async def test_without_hosts_nothing_is_opened():
    """Not even what could connect."""

    def connect():
        raise AssertionError

    images = Images(ImagesSection(), connect)
    await images.start()
    await images.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Files of a certificate for `pictures.test`, and of its key."""
    folder = tmp_path_factory.mktemp("certificates")
    own, key = folder / "own.pem", folder / "key.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=pictures.test", "-addext", "subjectAltName=DNS:pictures.test"]
    try:
        subprocess.run(
            [*words.split(), *names, "-out", str(own), "-keyout", str(key)],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("no openssl")
    return own, key


@pytest.fixture
async def encrypted(certificate):
    own, key = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    trusting = ssl.create_default_context(cafile=own)
    async with Pictures(trusting).serving(context) as serving:
        yield serving


async def test_an_image_over_https(encrypted):
    """Which is what is allowed by default."""
    url = encrypted.at("/a")

    assert await fetched(encrypted, url, allow_http=False) == [as_data("image/png", PNG)]


@pytest.mark.parametrize("host", ["pictures.test", "other.test"])
async def test_a_host_proves_its_name(encrypted, host):
    """By a certificate from an authority that is trusted, and for that name."""
    encrypted.at("/a")
    if host == "pictures.test":
        encrypted.authorities = ssl.create_default_context()

    found = await refused(encrypted, encrypted.url("/a", host), hosts=(f"{host}:{encrypted.port}",))

    assert (found, encrypted.seen) == ((ImageNotFetched, HERE), [])
