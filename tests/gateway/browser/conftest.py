"""A real browser: Debian's chromium, driven by Playwright, which downloads none of its own."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.browser.showcase import Showcase, showcase
from tests.gateway.stacks import on_loopback

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    # Of a module, not of the session: while it lives, its event loop runs in this thread, and tests
    # of other modules start their own.
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    if binary is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with playwright.sync_playwright() as driver:
        # A container's root has no sandbox to give; the pages are our own.
        started = driver.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def stack() -> Showcase:
    return showcase()


@pytest.fixture(scope="module")
def url(stack: Showcase) -> Iterator[str]:
    with on_loopback(stack.app) as address:
        yield address


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of its own; what goes wrong in it, its policy broken included, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made = context.new_page()
    made.set_default_timeout(10_000)
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    yield made
    context.close()
    # A refusal that a test brings about is told on the console too, as a failed load.
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []
