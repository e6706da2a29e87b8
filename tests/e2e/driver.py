"""Runs the real stack in a process of its own, and answers questions about it on stdin and stdout.

    python -m tests.e2e.driver CONFIG PORT

One JSON object a line: {"load": MODEL} gives the engine's own record, {"kill": MODEL} ends the
replica of the model, or of the `classifier`, with SIGKILL, {"replace": MODEL} deploys the model's
pool again, so that other replicas take over, {"follow": ""} has the stack look at its file as
`niche serve` does. The stack stops when stdin closes.
"""

import argparse
import dataclasses
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from cli.follower import Follower
from cli.ray_environment import prepare
from cli.stack import wait_until_ready, wanted
from deployments.models.cache import cache_dir
from gateway.config import NicheConfig
from gateway.config_file import load_config


def main(config_path: str, port: str) -> None:
    config = at_port(config_path, port)
    with tempfile.TemporaryDirectory(prefix="niche-e2e-") as folder:
        prepare(Path(folder), os.environ, config.gateway)
        from cli.launch import running_stack

        file, run = Path(config_path), Path(folder) / "run"
        with running_stack(config, cache_dir(os.environ), run, followed=file) as stack:
            wait_until_ready(stack.url, 300)
            say({"ready": stack.url})
            arguments = argparse.Namespace(config=file, port=int(port))
            follower = Follower(stack, file, lambda: wanted(arguments, []))
            for line in sys.stdin:
                question = json.loads(line)
                if "follow" in question:
                    for _ in range(2):  # what two looks agree on
                        follower.look()
                    say({"models": [spec.name for spec in stack.config.models]})
                else:
                    say(answer(question, stack))


def at_port(config_path: str, port: str) -> NicheConfig:
    config = load_config(Path(config_path))
    edge = config.gateway.model_copy(update={"port": int(port)})
    return config.model_copy(update={"gateway": edge})


def say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def answer(question: dict[str, str], stack: Any) -> dict[str, Any]:
    [(verb, model)] = question.items()
    found = [pool for pool in stack.config.pools if model in pool.model_names]
    app, deployment = (stack.apps[found[0].app_name], found[0].name) if found else ("router", model)
    if verb == "kill":
        title = f"ServeReplica:{app}:{deployment}"
        [replica] = [
            child
            for child in psutil.Process().children(recursive=True)
            if any(title in part for part in child.cmdline())
        ]
        replica.send_signal(signal.SIGKILL)
        return {"killed": replica.pid}
    from ray import serve

    if verb == "replace":
        stack._restart(found, stack.apps)  # no change of a file has all of its replicas replaced
        serve.run_many([stack._pool(found[0], stack.apps, stack.contents)])
        return {"replaced": app}
    handle = serve.get_deployment_handle(deployment, app_name=app)
    return dataclasses.asdict(handle.load.remote(model).result(timeout_s=60))


if __name__ == "__main__":
    main(*sys.argv[1:])
