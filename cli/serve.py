"""`niche serve`: runs the stack on this machine until Ctrl-C."""

import argparse
import signal

from cli.demo import show_samples
from cli.stack import add_stack, running


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    add_stack(parser)
    parser.add_argument(
        "--samples", action="store_true", help="first send one request per domain and show them"
    )
    parser.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    with running(arguments) as (url, config):
        if arguments.samples:
            show_samples(url, config)
        print(f"\nServing on {url}/v1 until Ctrl-C", flush=True)
        signal.pause()
    return 0
