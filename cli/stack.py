"""Runs the whole stack on this machine while a command needs it."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.faults import Fault, as_error, faults, port_faults
from cli.options import DEFAULT_STACK, add_config, cache, port
from cli.ray_environment import prepare
from cli.signals import Terminated
from cli.stack_directory import LOGS, stack_directory, temporary_directory
from cli.watch import IN_A_ROW, PAUSE_SECONDS, ModelWatch, missing_models
from gateway.config import LaunchError, NicheConfig
from gateway.config_file import load_config

if TYPE_CHECKING:
    from cli.launch import LocalStack

_READY_SECONDS = 300


def add_stack(parser: argparse.ArgumentParser) -> None:
    """`--config PATH` and `--port N`."""
    add_config(parser)
    parser.add_argument("--port", type=port, help="listen here instead of the configured port")


@contextmanager
def running(arguments: argparse.Namespace) -> Iterator["LocalStack"]:
    """Runs the stack in the options of `add_stack`, complete.

    Raises:
        ConfigError: the configuration cannot be used on this machine.
        LaunchError: a part of the stack did not start, or a model is missing.
    """
    with started(arguments) as (stack, watch):
        if missing := watch.until_settled(_READY_SECONDS):
            raise LaunchError(as_lines(missing))
        if missing is None:
            raise LaunchError("the gateway did not answer")
        yield stack


@contextmanager
def started(
    arguments: argparse.Namespace, followed: Path | None = None
) -> Iterator[tuple["LocalStack", ModelWatch]]:
    """Runs the stack in the options of `add_stack`, from when its gateway runs; models join it when
    they are up.

    Args:
        arguments: the options.
        followed: the configuration's file, if the stack follows it and requests may change it.

    Raises:
        ConfigError: the configuration cannot be used on this machine.
        LaunchError: the gateway did not start.
    """
    began, phase = time.monotonic(), "while it started"
    try:
        with stack_directory(temporary_directory(), say) as state_dir:
            config = wanted(arguments)
            prepare(state_dir, os.environ, config.gateway)
            what = "the default stack" if arguments.config == DEFAULT_STACK else arguments.config
            names = ", ".join(spec.name for spec in config.models)
            say(f"starting {what}: Ray Serve, and {len(config.models)} models ({names})")
            # Ray reads its environment when it is imported.
            from cli.launch import running_stack

            logging.getLogger("ray.serve").setLevel(logging.ERROR)
            with running_stack(config, cache(), state_dir / "run", say, followed) as stack:
                say(f"logs are in {state_dir / LOGS}")
                phase = "while it ran"
                yield stack, ModelWatch(stack, began, say)
    except Terminated as came:
        came.args = (f"{phase}; everything that it started has ended",)
        raise


def say(step: str) -> None:
    """Tells what happens to the stack, on stderr."""
    print(f"niche: {step}", file=sys.stderr, flush=True)


def as_lines(missing: Mapping[str, str]) -> str:
    """A line for each model that is missing."""
    return "\n".join(f"{name} is missing: {reason}" for name, reason in missing.items())


def wanted(
    arguments: argparse.Namespace, tolerated: Collection[Fault] | None = None
) -> NicheConfig:
    """The configuration in the options of `add_stack`, checked for what would stop the stack later.
    At a start the faults of models are no error, unless no model is left.

    Args:
        arguments: the options.
        tolerated: of a stack that runs: the faults that it has anyway; None: it starts.

    Raises:
        ConfigError, ModelError: it cannot be served on this machine; the message has all faults.
    """
    config = load_config(arguments.config)
    if arguments.port is not None:
        edge = config.gateway.model_copy(update={"port": arguments.port})
        config = config.model_copy(update={"gateway": edge})
    found = faults(config, cache())
    if tolerated is None:
        found += port_faults(config.gateway)
        missing = {of.model for of in found}
        if not missing.issuperset(of.name for of in config.generating):
            tolerated = [of for of in found if of.model is not None]
    kept = [_identity(of) for of in tolerated or ()]
    if errors := [of for of in found if _identity(of) not in kept]:
        raise as_error(errors, config, cache())
    return config


def _identity(fault: Fault) -> tuple[str | None, str, str]:
    """What stays of a model's fault where the model has another place in its list."""
    key = fault.place if fault.model is None else fault.place.partition(".")[2]
    return fault.model, key, fault.reason


def wait_until_ready(url: str, timeout_seconds: float, missing: Collection[str] = ()) -> None:
    """Waits until the gateway's replicas agree that all models can answer, but for those that were
    `missing` before.

    Raises:
        LaunchError: the stack was not ready in time; the message has the last answer.
    """
    deadline, last = time.monotonic() + timeout_seconds, "no answer"
    ready = 0
    while time.monotonic() < deadline:
        found = missing_models(url)
        ready = 0 if found is None or found.keys() - missing else ready + 1
        last = "no answer" if found is None else str(dict(found))
        if ready == IN_A_ROW:
            return
        time.sleep(PAUSE_SECONDS)
    raise LaunchError(f"the stack was not ready after {timeout_seconds:.0f} s: {last}")
