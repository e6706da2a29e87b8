"""Serves the metrics of a node's gateway replicas on a port of its own:
`python -m gateway.exporter DIRECTORY PORT`.

On a cluster a request for `/metrics` reaches any replica on any node, so its values jump between
nodes. One exporter per node serves that node's sums, and Prometheus adds the nodes up.
"""

import argparse
from pathlib import Path

from prometheus_client import CollectorRegistry, multiprocess, start_http_server


def registry_of(metrics_dir: Path) -> CollectorRegistry:
    """The sums over all processes that keep their metrics in a directory, read at every scrape."""
    registry, collect = CollectorRegistry(), multiprocess.MultiProcessCollector
    collect(registry, str(metrics_dir))  # type: ignore[no-untyped-call]  # no types there
    return registry


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(prog="python -m gateway.exporter")
    parser.add_argument("directory", type=Path, help="where the gateway keeps its metrics")
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="0.0.0.0", help="default: all interfaces of the pod")
    arguments = parser.parse_args()
    registry = registry_of(arguments.directory)
    _, serving = start_http_server(arguments.port, arguments.host, registry)
    serving.join()


if __name__ == "__main__":
    main()
