"""Runs the whole stack on this machine while a command needs it."""

import argparse
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import httpx

from cli.models import needed
from cli.options import DEFAULT_STACK, add_config, cache, check_engines, port
from cli.ray_environment import ray_environment
from deployments.models.errors import ModelError
from deployments.models.pull import catalogue
from gateway.config import ConfigError, GatewaySection, LaunchError, NicheConfig
from gateway.config_file import load_config

if TYPE_CHECKING:
    from cli.launch import LocalStack

_READY_SECONDS = 300
_READY_IN_A_ROW = 6


def add_stack(parser: argparse.ArgumentParser) -> None:
    """`--config PATH` and `--port N`."""
    add_config(parser)
    parser.add_argument("--port", type=port, help="listen here instead of the configured port")


@contextmanager
def running(arguments: argparse.Namespace, followed: Path | None = None) -> Iterator["LocalStack"]:
    """Runs the stack in the options of `add_stack`.

    Args:
        arguments: the options.
        followed: the configuration's file, if the stack follows it and requests may change it.

    Raises:
        ConfigError: the configuration cannot be used on this machine.
        LaunchError: a part of the stack did not start.
        ModelError: a model's files are not in the cache.
    """
    config = wanted(arguments)
    _require_port(config.gateway)
    state_dir = Path(tempfile.mkdtemp(prefix="niche-"))
    try:
        os.environ.update(ray_environment(state_dir, os.environ, config.gateway.drain_seconds))
        what = "the default stack" if arguments.config == DEFAULT_STACK else arguments.config
        names = ", ".join(spec.name for spec in config.models)
        say(f"starting {what}: Ray Serve, and {len(config.models)} models ({names})")
        started = time.monotonic()
        # Ray reads its environment when it is imported.
        from cli.launch import running_stack

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        with running_stack(config, cache(), state_dir / "run", say, followed) as stack:
            # Only now, since Ray sets its own handlers while it starts.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _interrupt)
            say("every part is up; waiting until the gateway answers")
            wait_until_ready(stack.url, _READY_SECONDS)
            say(f"ready after {time.monotonic() - started:.0f} s")
            yield stack
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def say(step: str) -> None:
    """Tells what happens to the stack, on stderr."""
    print(f"niche: {step}", file=sys.stderr, flush=True)


def wanted(arguments: argparse.Namespace) -> NicheConfig:
    """The configuration in the options of `add_stack`, checked for what would stop the stack later,
    to report it in one line.

    Raises:
        ConfigError, ModelError, RouterError: it cannot be served on this machine.
    """
    config = load_config(arguments.config)
    if arguments.port is not None:
        edge = config.gateway.model_copy(update={"port": arguments.port})
        config = config.model_copy(update={"gateway": edge})
    _check(config)
    return config


def _check(config: NicheConfig) -> None:
    from gateway.decision_log import open_log
    from gateway.evidence.sqlite_store import checked
    from gateway.routing import load_policy

    check_engines(config)
    load_policy(config)
    if config.observability.decision_log is not None:
        os.close(open_log(Path(config.observability.decision_log.path)))
    if config.gateway.shadow is not None:
        checked(config.gateway.shadow.path).close()
    _require_pulled(needed(config))


def _require_port(edge: GatewaySection) -> None:
    """Raises a `ConfigError` if the gateway cannot listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((edge.host, edge.port))
        except OSError as error:
            raise ConfigError(
                f"gateway.port: cannot listen on {edge.host}:{edge.port} ({error.strerror}); "
                "stop what uses it, or choose another with --port"
            ) from error


def _require_pulled(names: Sequence[str]) -> None:
    """Raises a `ModelError` that names all absent models, so that one command gets them."""
    absent = [item.name for item in catalogue(cache()) if item.name in names and not item.pulled]
    if absent:
        raise ModelError(
            f"not in {cache()}: {', '.join(absent)}; run: niche models pull {' '.join(absent)}"
        )


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    del signum, frame
    raise KeyboardInterrupt


def wait_until_ready(url: str, timeout_seconds: float) -> None:
    """Waits until `/readyz` is stable, since each gateway replica checks by itself.

    Raises:
        LaunchError: the stack was not ready in time; the message has the last answer.
    """
    deadline, last = time.monotonic() + timeout_seconds, "no answer"
    ready = 0
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=30)
            ready, last = (ready + 1 if answer.is_success else 0), answer.text
        except httpx.TransportError as error:
            ready, last = 0, repr(error)
        if ready == _READY_IN_A_ROW:
            return
        time.sleep(0.25)
    raise LaunchError(f"the stack was not ready after {timeout_seconds:.0f} s: {last}")
