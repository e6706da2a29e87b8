"""`niche serve` and `niche demo`: the whole stack on this machine."""

import argparse
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cli.demo import show_samples, wait_until_ready
from cli.models import needed
from cli.options import Subparsers, add_config, cache, check_engines, port
from cli.ray_environment import ray_environment
from deployments.models.resolve import resolve
from gateway.config import ConfigError, NicheConfig, load_config

_READY_SECONDS = 300


def add(commands: Subparsers) -> None:
    """Declares the commands."""
    serving = commands.add_parser("serve", help="run the stack until Ctrl-C")
    add_config(serving)
    serving.add_argument("--port", type=port, help="listen here instead of the configured port")
    serving.add_argument(
        "--samples", action="store_true", help="first send one request per domain and show them"
    )
    serving.set_defaults(run=_serve)
    demo = commands.add_parser("demo", help="run the stack, show one request per domain, stop")
    add_config(demo)
    demo.add_argument("--port", type=port, help="listen here instead of the configured port")
    demo.set_defaults(run=_demo)


def _serve(arguments: argparse.Namespace) -> int:
    with _running(arguments) as (url, config):
        if arguments.samples:
            show_samples(url, config)
        print(f"\nServing on {url}/v1 until Ctrl-C", flush=True)
        signal.pause()
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    with _running(arguments) as (url, config):
        return 0 if show_samples(url, config) else 1


def _check(config: NicheConfig) -> None:
    """Finds what would stop the stack later, while it can still be said in one line."""
    check_engines(config)
    if config.observability.decision_log is not None:
        from gateway.decision_log import open_log  # noqa: PLC0415 - brings numpy and scipy

        os.close(open_log(Path(config.observability.decision_log.path)))
    if config.gateway.shadow is not None:
        from gateway.evidence.sqlite_store import checked  # noqa: PLC0415 - brings numpy and scipy

        checked(config.gateway.shadow.path).close()
    for name in needed(config):
        resolve(name, cache())
    edge = config.gateway
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((edge.host, edge.port))
        except OSError as error:
            raise ConfigError(
                f"gateway.port: cannot listen on {edge.host}:{edge.port} ({error.strerror}); "
                "stop what uses it, or choose another with --port"
            ) from error


@contextmanager
def _running(arguments: argparse.Namespace) -> Iterator[tuple[str, NicheConfig]]:
    config = load_config(arguments.config)
    if arguments.port is not None:
        edge = config.gateway.model_copy(update={"port": arguments.port})
        config = config.model_copy(update={"gateway": edge})
    _check(config)
    state_dir = Path(tempfile.mkdtemp(prefix="niche-"))
    try:
        os.environ.update(ray_environment(state_dir, os.environ))
        print("Starting Ray Serve and loading models ...", file=sys.stderr, flush=True)
        # Ray reads its environment when it is imported.
        from cli.launch import running_stack  # noqa: PLC0415

        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        with running_stack(config, cache(), state_dir / "run") as url:
            # Only now: Ray sets handlers of its own while it starts.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _interrupt)
            wait_until_ready(url, _READY_SECONDS)
            yield url, config
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    del signum, frame
    raise KeyboardInterrupt
