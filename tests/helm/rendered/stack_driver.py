"""Runs a Serve configuration file on a local Ray, in a process of its own.

    python -m tests.helm.rendered.stack_driver CONFIG GROUP

Each line on stdin is the path of a configuration to deploy over the last one. After each, a line of
JSON on stdout tells the processes of all replicas by application. It stops when stdin closes.
"""

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import yaml

from cli.ray_environment import prepare
from gateway.config import GatewaySection

_REPLICA = re.compile(r"ServeReplica:([\w.-]+):")


def main(config: str, group: str) -> None:
    with tempfile.TemporaryDirectory(prefix="niche-chart-") as folder:
        prepare(Path(folder), os.environ, GatewaySection())
        import ray
        from ray import serve
        from ray.serve.context import _get_global_client

        ray.init(
            address="local",
            num_cpus=4,
            labels={"niche-group": group},
            include_dashboard=False,
            object_store_memory=128 << 20,
            log_to_driver=False,
            logging_level="ERROR",
        )
        try:
            serve.start(http_options=read(config)["http_options"])
            deploy(_get_global_client(), config)
            for line in sys.stdin:
                deploy(_get_global_client(), line.strip())
        finally:
            serve.shutdown()
            ray.shutdown()


def read(path: str) -> dict[str, Any]:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def deploy(client: Any, path: str) -> None:
    """Does what KubeRay asks Ray's dashboard to do; Serve has no public call for it."""
    from ray.serve.schema import ServeDeploySchema

    config = read(path)
    client.deploy_apps(ServeDeploySchema.model_validate(config))
    wanted = {
        app["name"]: app["deployments"][0].get("num_replicas", 1) for app in config["applications"]
    }
    deadline = time.monotonic() + 200
    while not settled(client, wanted):
        if time.monotonic() > deadline:
            raise TimeoutError(str(client.list_serve_statuses()))
        time.sleep(0.5)
    sys.stdout.write(json.dumps(replicas()) + "\n")
    sys.stdout.flush()


def settled(client: Any, wanted: dict[str, int]) -> bool:
    """Whether every application runs, with as many replicas as it is to have."""
    running = {
        status.name: status.app_status.status == "RUNNING"
        for status in client.list_serve_statuses()
    }
    return all(running.get(name) for name in wanted) and all(
        len(replicas().get(name, [])) == count for name, count in wanted.items()
    )


def replicas() -> dict[str, list[int]]:
    """The processes of the replicas, by application."""
    found: dict[str, list[int]] = {}
    for child in psutil.Process().children(recursive=True):
        try:
            title = _REPLICA.search(" ".join(child.cmdline()))
        except psutil.Error:
            continue
        if title:
            found.setdefault(title[1], []).append(child.pid)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
