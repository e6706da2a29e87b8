"""`niche specialists calls`: grades calls of functions, as they are served."""

import argparse

from cli.options import Subparsers, add_data_dir, cache, positive
from cli.specialists_options import default_niche
from deployments.models.adapters import load_adapter
from deployments.models.errors import ModelError
from deployments.models.resolve import resolve


def add(actions: Subparsers) -> None:
    """Declares the action."""
    parser = actions.add_parser(
        "calls",
        help="grade a specialist's calls of functions",
        description="Asks a specialist and its base model for calls of functions, on engine llama, "
        "which holds them to their schemas: of the functions that the specialist learned, and of "
        "others that it never saw.",
    )
    parser.add_argument("name", metavar="NAME", help="a default specialist that learns functions")
    add_data_dir(parser)
    parser.add_argument("--adapter", metavar="PATH", help="its adapter (default: the shipped one)")
    parser.add_argument("--rows", type=positive, default=400, help="per set (default: 400)")
    parser.add_argument("--threads", type=positive, help="CPU threads")
    parser.set_defaults(run=_grade)


def _grade(arguments: argparse.Namespace) -> int:
    niche = default_niche(arguments.name)
    if niche.functions is None:
        raise ModelError(f"niche {niche.name!r} learns no functions")
    from lab.specialists.evaluation.calls import CallSettings, grade_calls
    from lab.specialists.evaluation.plan import Weights

    adapter = load_adapter(arguments.adapter or niche.name)
    weights = Weights(adapter.base, resolve(adapter.base, cache()), adapter)
    settings = CallSettings(arguments.data_dir, cache(), arguments.rows, arguments.threads)
    scores = grade_calls(niche, weights, settings)
    print(scores.table(niche.name, adapter.base).text())
    return 0
