"""Bare Ray Serve, to see what it needs at rest: trivial applications, and nothing of this project.

python -m loadtests.bench.bare_serve --port 8000 --applications 6
"""

import argparse
import signal

import ray
from ray import serve
from ray.serve.api import RunTarget
from ray.serve.config import HTTPOptions

from loadtests.interruption import end_on_sigterm

_OBJECT_STORE_BYTES = 128 << 20  # as in the stack that it is compared with


class Trivial:
    """An application that answers every request alike."""

    async def __call__(self, _: object) -> str:
        """Answers."""
        return "ok"


def main() -> None:
    """Runs it until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench.bare_serve")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--applications", type=int, default=6)
    arguments = parser.parse_args()
    end_on_sigterm()
    deployment = serve.deployment(name="trivial", ray_actor_options={"num_cpus": 0.1})(Trivial)
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        serve.start(http_options=HTTPOptions(host="127.0.0.1", port=arguments.port))
        serve.run_many(
            [
                RunTarget(deployment.bind(), name=f"app{index}", route_prefix=f"/app{index}")
                for index in range(arguments.applications)
            ]
        )
        end_on_sigterm()  # Ray sets its own while it starts
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
