"""Serves the metrics of a node's gateway replicas on a separate port:
`python -m gateway.exporter DIRECTORY PORT`.

On a cluster, a request for `/metrics` reaches any replica on any node, so values would jump between
nodes. One exporter per node serves that node's sums, and Prometheus adds up the nodes.
"""

import argparse
from pathlib import Path

from prometheus_client import CollectorRegistry, multiprocess, start_http_server


def registry_of(metrics_dir: Path) -> CollectorRegistry:
    """A registry that sums the metrics files of all processes in a directory, at every scrape."""
    registry, collect = CollectorRegistry(), multiprocess.MultiProcessCollector
    collect(registry, str(metrics_dir))  # type: ignore[no-untyped-call]  # no types there
    return registry


def main() -> None:
    """Runs the exporter until it is stopped."""
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
