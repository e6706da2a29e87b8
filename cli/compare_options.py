"""The options of `niche compare`, in groups."""

import argparse
from pathlib import Path

from cli.options import add_data_dir, positive, share

_OUT = Path("work/compare")
_URL = "http://127.0.0.1:8000/v1"
_COSTS = ("list", "attributed", "capacity")
"""As in `lab.comparison.costs`, which takes a moment to import."""
_WAYS = ("zero-shot", "few-shot", "plain")
"""As in `lab.specialists.evaluation.comparison_set`, which takes seconds to import."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """All of them."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="prompts with their right answers, an object a line (loadtests/README.md)",
    )
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    parser.add_argument(
        "--without-texts",
        action="store_true",
        help="leave prompts and answers out of the report, such as for one that others will see",
    )
    parser.add_argument(
        "--margin",
        type=share,
        default=0.02,
        help="what quality may fall by and still count as kept; fixed by the first run into a "
        "folder (default: 0.02, which is two points)",
    )
    _add_arms(parser)
    _add_running(parser)
    _add_costs(parser)
    _add_judge(parser)
    _add_set(parser)


def _add_arms(parser: argparse.ArgumentParser) -> None:
    arms = parser.add_argument_group("who is compared")
    arms.add_argument("--base-url", default=_URL, metavar="URL", help=f"default: {_URL}")
    arms.add_argument("--api-key-env", metavar="NAME", help="a variable that holds the key")
    arms.add_argument(
        "--auto", default="auto", metavar="MODEL", help="the model that is routed (default: auto)"
    )
    arms.add_argument(
        "--generalist",
        metavar="MODEL",
        help="the baseline (default: the one that the gateway calls its generalist)",
    )
    arms.add_argument("--baseline-url", metavar="URL", help="ask the baseline at another server")
    arms.add_argument("--baseline-api-key-env", metavar="NAME", help="its key's variable")
    arms.add_argument(
        "--arms",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="specialists that answer everything, for reference; `all`: every one",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    running = parser.add_argument_group("how it is asked")
    running.add_argument(
        "--concurrency", type=positive, default=4, help="requests at a time (default: 4)"
    )
    running.add_argument(
        "--warm-up", type=positive, default=2, help="forgotten requests per model (default: 2)"
    )
    running.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    running.add_argument(
        "--timeout", type=positive, default=120, help="seconds per request (default: 120)"
    )
    running.add_argument(
        "--max-tokens",
        type=positive,
        default=256,
        help="of an answer whose row names no number (default: 256)",
    )
    running.add_argument(
        "--max-requests",
        type=positive,
        default=20_000,
        help="more are refused before the first one (default: 20000)",
    )


def _add_costs(parser: argparse.ArgumentParser) -> None:
    costs = parser.add_argument_group("what it costs")
    costs.add_argument(
        "--prices",
        type=Path,
        metavar="FILE",
        help="niche.yaml, or a file of prices (loadtests/README.md); without one, what the answers "
        "report",
    )
    costs.add_argument(
        "--cost", choices=_COSTS, help="the one that decides (default: the first that is known)"
    )
    costs.add_argument(
        "--requests-per-hour",
        type=positive,
        help="traffic of the capacity cost (default: as much as --concurrency clients make)",
    )


def _add_judge(parser: argparse.ArgumentParser) -> None:
    judge = parser.add_argument_group("a judge, for rows with the grader `judge`")
    judge.add_argument("--judge-url", metavar="URL", help="an OpenAI-compatible server")
    judge.add_argument("--judge-model", metavar="MODEL", help="none of those compared")
    judge.add_argument("--judge-api-key-env", metavar="NAME", help="its key's variable")


def _add_set(parser: argparse.ArgumentParser) -> None:
    written = parser.add_argument_group("instead: write a file of prompts")
    written.add_argument(
        "--write-set",
        type=Path,
        metavar="FILE",
        help="from the test rows of the default niches and general questions",
    )
    add_data_dir(written, required=False)
    written.add_argument("--niches", nargs="+", metavar="NAME", help="these alone (default: all)")
    written.add_argument(
        "--rows", type=positive, default=60, help="per niche, and general ones (default: 60)"
    )
    written.add_argument(
        "--ask-generalist",
        choices=_WAYS,
        default=_WAYS[0],
        help="how it is asked a niche's prompts: with an instruction, with examples too, or as "
        f"everybody is (default: {_WAYS[0]})",
    )
