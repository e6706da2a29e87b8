"""The page's files as they are served: whole, self-contained, and locked in by their policy."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import gateway.page
from cli.demo import SAMPLES
from router.selection.lifecycle import State
from router.types import Reason
from tests.gateway.stacks import make_gateway

FOLDER = Path(gateway.page.__file__).parent
FILES = sorted(
    path.name for path in FOLDER.iterdir() if path.suffix in {".html", ".css", ".js", ".svg"}
)


class References(HTMLParser):
    """What a page loads, and what stands in it that a policy would forbid."""

    def __init__(self):
        super().__init__()
        self.loaded, self.inline = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in {"link", "script", "img"}:
            self.loaded.append(given.get("href") or given.get("src"))
        self.inline += [name for name in given if name == "style" or name.startswith("on")]

    def handle_data(self, data):
        if self.lasttag in {"script", "style"} and data.strip():
            self.inline.append(data)


def text(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def script():
    return "".join(text(name) for name in FILES if name.endswith(".js"))


async def test_the_front_page():
    """HTML in UTF-8, that may stand in no frame and load nothing but this gateway's files."""
    answer = await make_gateway().get("/")
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert policy.endswith("; require-trusted-types-for 'script'; trusted-types 'none'")


@pytest.mark.parametrize("name", FILES)
async def test_every_file_is_served_under_the_policy(name):
    """As its own type, and asked for again at each visit."""
    answer = await make_gateway().get(f"/page/{name}")
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/nothing", "/healthz"])
async def test_no_answer_of_the_api_is_taken_for_a_page(path):
    """Whatever is in it: a browser goes by its type."""
    answer = await make_gateway().get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["nothing.js", "__init__.py", "assets.py", "..%2fapp.py"])
async def test_nothing_else_is_served(name):
    """Least of all the code beside the files."""
    answer = await make_gateway().get(f"/page/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "path_not_found"


async def test_the_page_needs_no_key(tmp_path):
    """It asks for one itself; what it then asks for is guarded."""
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    gateway = make_gateway(api_keys_file=str(keys))
    assert (await gateway.get("/")).status_code == 200
    assert (await gateway.get("/v1/models")).status_code == 401


def test_the_page_loads_only_its_own_files():
    """And nothing stands in the markup that the policy forbids."""
    found = References()
    found.feed(text("index.html"))
    assert {name.removeprefix("/page/") for name in found.loaded} <= set(FILES)
    assert found.inline == []


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name):
    """Beside the names of vocabularies, which nobody fetches."""
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.[\w./-]+", text(name))
    assert [of for of in addresses if not of.startswith("http://www.w3.org/")] == []


def test_the_scripts_write_no_markup():
    """What a model says is shown as text, never as HTML, an address or code."""
    ways = (
        r"(?:inner|outer)HTML|insertAdjacentHTML|setHTML|createContextualFragment|DOMParser|srcdoc",
        r"document\.write|\beval\b|\bFunction\(|\bimport\(|setTimeout\(\s*[\"'`]",
        r"\b(?:href|src|action)\s*[:=]|\bon[a-z]+\s*[:=]|javascript:|\.(?:open|assign)\(",
    )
    assert re.findall("|".join(ways), script()) == []


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".js")])
def test_scripts_import_files_that_are_there(name):
    """By their address."""
    imported = re.findall(r'from "/page/([\w.]+)"', text(name))
    assert set(imported) <= set(FILES)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_words(reason):
    """No decision is left unexplained."""
    assert f"  {reason}: " in text("decision.js")


@pytest.mark.parametrize("state", [of for of in State if of is not State.CANDIDATE])
def test_every_state_that_was_compared_has_its_words(state):
    """A candidate was asked nothing, so there is nothing that it gains or costs."""
    assert f"  {state}: [" in text("balance.js")


def test_the_examples_are_the_demos():
    """Of the domains that have one; a new specialist need not."""
    listed = re.search(r"EXAMPLES = \{\n(.*?)\n\};", text("ask.js"), re.DOTALL)
    assert listed
    found = re.findall(r'^  (\w+): (".*"),$', listed[1], re.MULTILINE)
    assert len(found) > 1
    assert {domain: json.loads(prompt) for domain, prompt in found}.items() <= SAMPLES.items()
