"""Tells which models of a running stack come and go, and has those that failed try again."""

import math
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

import httpx

from deployments.protocol import STARTING
from gateway.config import LaunchError

if TYPE_CHECKING:
    from cli.launch import LocalStack

PAUSE_SECONDS = 0.25
IN_A_ROW = 6
"""Answers that agree: each gateway replica checks by itself, and a request reaches one of them."""
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 10.0, 120.0
_FAILED_SECONDS = 10.0
"""Between two looks at what failed while no model is missing: to ask Serve costs 40 ms."""


@cache
def _client() -> httpx.Client:
    """One for all looks, since it takes 10 ms to make; with a connection for each, so that they
    come to different gateway replicas."""
    return httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0))


def missing_models(url: str) -> Mapping[str, str] | None:
    """The models that cannot answer, each with the reason; None if the gateway does not say."""
    try:
        answer = _client().get(f"{url}/readyz")
        found: Mapping[str, str] = answer.json().get("models", {})
    except (httpx.HTTPError, ValueError, AttributeError):
        return None
    return found if answer.status_code in (200, 503) else None


class ModelWatch:
    """Watches the models of a stack.

    Args:
        stack: the running one.
        started: when its start began, on the clock.
        say: called with a line for each model that comes or goes.
        clock: monotonic seconds.
        pause: waits for so many seconds.
    """

    def __init__(
        self,
        stack: "LocalStack",
        started: float,
        say: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._stack, self._say, self._clock, self._pause = stack, say, clock, pause
        self._started = started
        self._told: dict[str, bool] = {}  # whether it was up when last told
        self._retries: dict[str, tuple[float, float]] = {}  # when, and how long after the last
        self._failed_at = -math.inf

    def until_settled(self, seconds: float) -> Mapping[str, str] | None:
        """Waits until each model is up, or it is known why not; returns those that are missing,
        each with the reason; None: the gateway did not answer in time."""
        until, row, missing = self._clock() + seconds, 0, None
        while self._clock() < until and row < IN_A_ROW:
            found = self.look()
            missing = missing if found is None else found
            row = row + 1 if found is not None and not any(map(_starts, found.values())) else 0
            self._pause(PAUSE_SECONDS)
        return missing

    def look(self) -> Mapping[str, str] | None:
        """Tells what changed, and has pools that failed try again; returns what is missing."""
        found = missing_models(self._stack.url)
        if found is None:
            return None
        missing = {**found, **self._stack.lacking_gpus}
        # The classifier is among them where it has replicas of its own.
        names = list(dict.fromkeys([*(of.name for of in self._stack.config.models), *missing]))
        up = [name for name in names if name not in missing]
        for name in names:
            if name in missing and not _starts(missing[name]) and self._told.get(name, True):
                self._told[name] = False
                self._say(f"{name} is missing: {missing[name]}")
            elif name in up and not self._told.get(name, False):
                self._told[name] = True
                seconds = self._clock() - self._started
                self._say(f"{name} is up ({seconds:.0f} s, {len(up)} of {len(names)})")
        if missing or self._clock() >= self._failed_at + _FAILED_SECONDS:
            self._retry()
        return missing

    def _retry(self) -> None:
        self._failed_at = now = self._clock()
        failed = self._stack.failed()
        self._retries = {app: when for app, when in self._retries.items() if app in failed}
        for app in failed:
            due, wait = self._retries.setdefault(
                app, (now + _FIRST_RETRY_SECONDS, _FIRST_RETRY_SECONDS)
            )
            if now >= due:
                try:
                    self._stack.deploy_again(app)
                except LaunchError as error:
                    self._say(str(error))
                wait = min(2 * wait, _LAST_RETRY_SECONDS)
                self._retries[app] = now + wait, wait


def _starts(reason: str) -> bool:
    return reason.startswith(STARTING)
