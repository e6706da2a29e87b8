"""`niche serve`: runs the stack on this machine until Ctrl-C, and follows its configuration.

Desired state, not a call: whoever wants another specialist writes it into the file, by hand, with
`niche specialists add` or with `POST /v1/niche/specialists`, and finds it there after the next
start too.
"""

import argparse
import time

from cli.demo import show_samples
from cli.options import DEFAULT_STACK
from cli.stack import add_stack, running, wanted

_LOOK_SECONDS = 1.0


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
    with running(arguments, followed) as stack:
        if arguments.samples:
            show_samples(stack.url, stack.config)
        print(f"\nServing on {stack.url}/v1 until Ctrl-C", flush=True)
        follower = Follower(stack, arguments.config, lambda: wanted(arguments))
        while True:
            time.sleep(_LOOK_SECONDS)
            follower.look()
