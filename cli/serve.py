"""`niche serve`: runs the stack on this machine until Ctrl-C, and follows its configuration.

Desired state, not a call: whoever wants another specialist writes it into the file, by hand, with
`niche specialists add` or with `POST /v1/niche/specialists`, and finds it there after the next
start too.
"""

import argparse
import time
from collections.abc import Collection

from cli.demo import show_samples
from cli.faults import faults, unheld_rights, unproven_guarantee
from cli.options import DEFAULT_STACK, cache
from cli.stack import add_stack, as_lines, say, started, wanted
from gateway.config import LaunchError, NicheConfig

_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 300.0
"""After which it serves without waiting for a model that is still starting."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_stack(parser)
    parser.add_argument(
        "--samples", action="store_true", help="first send one request per domain and show them"
    )
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    from cli.follower import Follower

    # Requests change nobody's default stack, but a file that is the operator's own.
    followed = None if arguments.config == DEFAULT_STACK else arguments.config
    began = time.monotonic()
    with started(arguments, followed) as (stack, watch):
        missing = watch.until_settled(_SETTLE_SECONDS)
        config = stack.config
        if missing is None:
            raise LaunchError("the gateway did not answer")
        # An upstream may come back by itself; a stack of nothing else waits for it.
        if not any(of.in_gateway or of.name not in missing for of in config.generating):
            raise LaunchError("no model is up:\n" + as_lines(missing))
        say(_state(config, missing, time.monotonic() - began))
        for note in (*unheld_rights(config.gateway), *unproven_guarantee(config)):
            say(note)
        if arguments.samples:
            try:
                show_samples(stack.url, config)
            except LaunchError as error:  # a model is missing; the others serve
                say(str(error))
        print(f"\nServing on {stack.url}/v1 until Ctrl-C", flush=True)
        tolerated = [of for of in faults(config, cache()) if of.model is not None]
        follower = Follower(stack, arguments.config, lambda: wanted(arguments, tolerated))
        while True:
            time.sleep(_LOOK_SECONDS)
            follower.look()
            watch.look()


def _state(config: NicheConfig, missing: Collection[str], seconds: float) -> str:
    if not missing:
        return f"ready after {seconds:.0f} s"
    up = [spec.name for spec in config.models if spec.name not in missing]
    those = f"{len(up)} of {len(config.models)} models after {seconds:.0f} s"
    return f"serving {those}, without {', '.join(missing)}; they join when they are up"
