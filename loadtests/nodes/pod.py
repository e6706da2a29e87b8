"""A pod: a Ray node with a network, processes and temporary files of its own, ended as the kubelet
does it."""

import asyncio
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loadtests.nodes.chart import PodSpec

_LOOK_SECONDS = 0.2
_SHARED_MEMORY = "512m"


@dataclass(frozen=True)
class Ended:
    """How a pod ended: after how many seconds, and whether it had to be killed."""

    seconds: float
    killed: bool


class Pod:
    """A running pod.

    Args:
        name: of it.
        namespace: its network.
        address: its address there.
        spec: what it is.
        environment: beside the spec's.
        folder: for its `/tmp` and its output.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        address: str,
        spec: PodSpec,
        environment: Mapping[str, str],
        folder: Path,
    ) -> None:
        self.name, self.namespace, self.address, self._spec = name, namespace, address, spec
        temporary = folder / "tmp"
        (temporary / "home").mkdir(parents=True)
        self._environment = {**spec.environment, "HOME": "/tmp/home", **environment}
        self._output = (folder / "output.txt").open("wb")
        # As KubeRay writes it: bash becomes `ray start`, which so is the process that gets SIGTERM.
        ray = shlex.join([*spec.command, f"--node-ip-address={address}"])
        mounted = (
            f"mount --bind {shlex.quote(str(temporary))} /tmp"
            f" && mount -t tmpfs -o size={_SHARED_MEMORY} tmpfs /dev/shm"
            f" && exec /bin/bash -c -- {shlex.quote(f'ulimit -n 65536; {ray}')}"
        )
        apart = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--mount"]
        command = ["ip", "netns", "exec", namespace, *apart, "/bin/sh", "-c", mounted]
        # Whatever ends this process ends its pods.
        self._command = ["setpriv", "--pdeathsig", "KILL", *command]
        self._leaves = False
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, env=self._environment, stdout=self._output, stderr=subprocess.STDOUT
        )

    def keep(self) -> None:
        """Starts it again if it ended by itself, as the kubelet does: on a busy machine Ray gives
        a start up after half a minute."""
        if not self.runs and not self._leaves:
            self._process = self._start()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _first(self) -> int | None:
        """The pod's first process."""
        pid = self._process.pid
        with suppress(OSError, IndexError):
            path = Path(f"/proc/{pid}/task/{pid}/children")
            return int(path.read_text(encoding="utf-8").split()[0])
        return None

    def kill(self) -> None:
        """Ends all its processes at once, as a power cut does."""
        self._leaves, first = True, self._first()
        for pid in (first, self._process.pid):
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._output.close()

    async def delete(self) -> Ended:
        """Ends it like a deleted pod: the hook, then SIGTERM, and SIGKILL at the end of its
        grace."""
        self._leaves, began, first = True, time.monotonic(), self._first()
        until = began + self._spec.grace_seconds
        if self._spec.pre_stop:
            await self._hook(first, self._spec.grace_seconds)
        if first is not None and self.runs:
            with suppress(ProcessLookupError):
                os.kill(first, signal.SIGTERM)
        while self.runs and time.monotonic() < until:  # noqa: ASYNC110 - its process sets no event
            await asyncio.sleep(_LOOK_SECONDS)
        killed = self.runs
        self.kill()
        return Ended(time.monotonic() - began, killed)

    async def _hook(self, first: int | None, seconds: float) -> None:
        inside = ["nsenter", "--target", str(first), "--net", "--pid", "--mount", "--"]
        hook = await asyncio.create_subprocess_exec(
            *inside,
            *self._spec.pre_stop,
            env=self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(hook.wait(), seconds)
