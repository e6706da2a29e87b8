"""`niche train`: labelled prompts in, a router's artifact and its report out."""

import argparse
from pathlib import Path

from deployments.models.resolve import resolve
from gateway.commands.options import Subparsers, add_data_dir, cache
from router.config import RouterConfig

__all__ = ["add"]


def add(commands: Subparsers) -> None:
    """Declares the command."""
    parser = commands.add_parser(
        "train", help="train the default router on the public data sets and report its figures"
    )
    add_data_dir(parser)
    parser.add_argument("--out", type=Path, required=True, help="the artifact's directory")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the encoder")
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    # torch takes seconds to import
    from deployments.datasets.prompts import rows  # noqa: PLC0415
    from router.encoder import Encoder  # noqa: PLC0415
    from router.train import train  # noqa: PLC0415

    encoder = Encoder(resolve(RouterConfig().encoder, cache()), threads=arguments.threads)
    report = train(rows(arguments.data_dir), encoder, arguments.out)
    print(report.markdown())
    print(f"{arguments.out}: written; name it as router.artifact in niche.yaml")
    return 0
