"""`niche models pull`, `list` and `convert`: model files in the local cache, and your own."""

import argparse
import sys
import time
from pathlib import Path

from cli.options import add_config, cache
from deployments.models.lock import read_lock
from deployments.models.pull import catalogue, pull
from gateway.config import NicheConfig
from gateway.config_file import load_config
from router.config import RouterConfig


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    pulling = actions.add_parser(
        "pull", help="download and verify missing models; convert the encoder"
    )
    pulling.add_argument("names", nargs="*", metavar="NAME", help="default: what --config needs")
    pulling.add_argument("--verify", action="store_true", help="read every byte again")
    add_config(pulling)
    pulling.set_defaults(run=_pull)
    converting = actions.add_parser("convert", help="turn a GGUF file into a model directory")
    converting.add_argument("file", type=Path, metavar="FILE.gguf")
    converting.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new directory; name it as `model`"
    )
    converting.set_defaults(run=_convert)
    listing = actions.add_parser("list", help="the models known by name")
    listing.set_defaults(run=_list)


def needed(config: NicheConfig) -> tuple[str, ...]:
    """The models of the lock file that a configuration uses, and the router's encoder."""
    lock = read_lock()
    names = [config.router.encoder, *(spec.model for spec in config.models)]
    return tuple(dict.fromkeys(name for name in names if name in lock))


def _pull(arguments: argparse.Namespace) -> int:
    names, router = arguments.names, RouterConfig()
    if not names:
        config = load_config(arguments.config)
        names, router = needed(config), config.router
    absent = {item.name: item for item in catalogue(cache()) if not item.pulled}
    for name in names:
        if name in absent:
            size = absent[name].download_bytes / 1e6
            print(f"{name}: downloading {size:.0f} MB", file=sys.stderr, flush=True)
        started = time.monotonic()
        path = pull(name, cache(), verify=arguments.verify)
        if name in absent:
            seconds = time.monotonic() - started
            print(f"{name}: here after {seconds:.0f} s", file=sys.stderr, flush=True)
        print(f"{name}: {path}", flush=True)
        if name == router.encoder:
            _prepare_encoder(path, router.artifact)
    return 0


def _prepare_encoder(path: Path, artifact: str) -> None:
    """Converts the encoder, merged with the artifact's adapter, and verifies its decisions."""
    from router.artifact import artifact_path, load_artifact
    from router.encoders.adapter import adapter_of
    from router.encoders.encoder import Encoder
    from router.verification import verify

    folder = artifact_path(artifact)
    encoder = Encoder(path, cache(), adapter=adapter_of(folder))
    found = verify(load_artifact(folder, encoder))
    print(f"{path.name}: {encoder.graph}", flush=True)
    if found.prompts:
        same = found.prompts - found.different
        print(f"{path.name}: decides {same} of {found.prompts} prompts as in training", flush=True)


def _convert(arguments: argparse.Namespace) -> int:
    from deployments.models.convert import convert_own

    print(convert_own(arguments.file, arguments.out))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    del arguments  # the list takes no options
    print(f"{'NAME':<24} {'DOWNLOAD':>10}  {'LICENCE':<12} {'HERE':<5} HUB")
    for item in catalogue(cache()):
        here = "yes" if item.pulled else "no"
        size = f"{item.download_bytes / 1e6:.0f} MB"
        print(f"{item.name:<24} {size:>10}  {item.licence:<12} {here:<5} {item.hub}")
    return 0
