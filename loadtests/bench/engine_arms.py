"""Stacks that differ in how their models are run, for `loadtests.bench.engines`."""

import copy
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file, save_file

from loadtests.bench.processes import started
from loadtests.bench.stacks import Running, ray_environment
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import Readiness, free_port, serve_command

ROOT = Path(__file__).parents[2]
_ADAPTERS = ROOT / "deployments" / "adapters"
_HEALTH = Readiness("/health", 60.0)

_CORES, _MOST_THREADS = os.cpu_count() or 1, 5

SLOTS = 20
"""Of all specialists together, where pools and separate deployments are compared."""

WITH_VLLM = ROOT / "work" / "vllm" / "bin" / "python"
"""Of the environment of `make test-vllm`."""
_OF_VLLM = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


@dataclass(frozen=True)
class Alone:
    """A server with the base model alone: no routes, no adapters.

    Attributes:
        module: the one of this package that runs it.
        model: the file or directory that it takes.
    """

    name: str
    title: str
    module: str
    model: Path
    specialists: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    @contextmanager
    def start(self, folder: Path, logs: Path) -> Iterator[Running]:
        """Runs it."""
        del folder
        port = free_port()
        server = Server(f"http://127.0.0.1:{port}")
        command = [
            *(sys.executable, "-m", f"loadtests.bench.{self.module}"),
            *("--model", str(self.model), "--port", str(port)),
        ]
        with started(command, server, logs / f"{self.name}.log", _HEALTH) as pid:
            yield Running(server, pid)


@dataclass(frozen=True)
class Ours:
    """The default stack with some of its settings changed.

    Attributes:
        engine: of all models.
        adapters: how many specialists; beyond those of the default stack copies of their adapters
            with slightly other
            weights.
        only: the default specialist that all of them are copies of; None: all five.
        slots: of all specialists together; None: as shipped.
        own: whether each specialist has a deployment of its own.
    """

    name: str
    title: str
    engine: str = "llama"
    adapters: int = 5
    only: str | None = None
    slots: int | None = None
    own: bool = False

    @property
    def specialists(self) -> tuple[str, ...]:
        """Their names."""
        shipped = self._shipped()
        return tuple(
            shipped[place]["name"] if place < len(shipped) else f"copy-{place}"
            for place in range(self.adapters)
        )

    @property
    def domains(self) -> tuple[str, ...]:
        """The domain of each specialist."""
        shipped = self._shipped()
        return tuple(shipped[place % len(shipped)]["domain"] for place in range(self.adapters))

    def _shipped(self) -> list[dict[str, Any]]:
        every: list[dict[str, Any]] = _shipped()["specialists"]
        return [spec for spec in every if self.only in (None, spec["name"])]

    def config(self, folder: Path) -> dict[str, Any]:
        """The niche.yaml; writes adapters that it names into `folder`."""
        config = _shipped()
        del config["embeddings"]  # which are not compared
        shipped = self._shipped()
        if self.engine != "vllm":  # where it is never asked
            config["generalist"]["engine"] = self.engine
        config["specialists"] = [
            self._specialist(shipped[place % len(shipped)], place, name, folder)
            for place, name in enumerate(self.specialists)
        ]
        return config

    def _specialist(
        self, shipped: Mapping[str, Any], place: int, name: str, folder: Path
    ) -> dict[str, Any]:
        spec = {**copy.deepcopy(dict(shipped)), "engine": self.engine}
        if name != spec["name"]:
            spec["adapter"] = str(_varied(_ADAPTERS / spec["adapter"], folder / name, place))
            spec["name"] = name
        if self.slots is not None:
            slots = max(1, self.slots // self.adapters if self.own else self.slots)
            # As many threads in all, as far as there are cores.
            threads = 1 if self.own else min(_MOST_THREADS, _CORES)
            given = _vllm_options if self.engine == "vllm" else _llama_options
            spec["engine_options"] = given(spec["engine_options"], slots, threads)
            spec["resources"] = {"num_cpus": threads}
        return spec | ({"deployment": "own"} if self.own else {})

    @contextmanager
    def start(self, folder: Path, logs: Path) -> Iterator[Running]:
        """Runs `niche serve`."""
        path, port = folder / f"{self.name}.yaml", free_port()
        path.write_text(yaml.safe_dump(self.config(folder)), encoding="utf-8")
        server = Server(f"http://127.0.0.1:{port}")
        command, log = serve_command(path, port), logs / f"{self.name}.log"
        environment = ray_environment()
        if self.engine == "vllm":
            command[0], environment = str(WITH_VLLM), environment | _OF_VLLM
        with started(command, server, log, Readiness(), environment) as pid:
            yield Running(server, pid)


Arm = Alone | Ours


def arms() -> tuple[Arm, ...]:
    """All that are compared.

    Raises:
        LoadTestError: the base's file is not there.
    """
    cache = Path(os.environ.get("NICHE_CACHE") or Path.home() / ".cache" / "niche")
    name = _shipped()["generalist"]["model"]
    files = sorted((cache / "models" / name).glob("*.gguf"))
    if not files:
        raise LoadTestError(f"{cache}: no GGUF file of {name}; run `make models`")
    return (
        Alone("raw", "llama.cpp alone", "raw_llama", files[0]),
        Alone("plain", "transformers alone", "raw_transformers", files[0].parent),
        Ours("llama", "default stack"),
        Ours("pool", f"a pool of 5 adapters, {SLOTS} slots", slots=SLOTS),
        Ours("own", f"5 deployments, {SLOTS // 5} slots each", slots=SLOTS, own=True),
        Ours("one-adapter", f"a pool of `sql`, {SLOTS} slots", "llama", 1, "sql", SLOTS),
        Ours("many-adapters", f"20 copies of `sql`, {SLOTS} slots", "llama", 20, "sql", SLOTS),
        *(_arms_of_vllm() if WITH_VLLM.exists() else ()),
    )


def _arms_of_vllm() -> tuple[Ours, ...]:
    engine, each = "vllm", SLOTS // 5
    return (
        Ours("vllm-pool", f"vLLM: a pool of 5 adapters, {SLOTS} slots", engine, slots=SLOTS),
        Ours("vllm-own", f"vLLM: 5 deployments, {each} slots each", engine, 5, None, SLOTS, True),
        Ours("vllm-one-adapter", f"vLLM: `sql`, {SLOTS} slots", engine, 1, "sql", SLOTS),
        Ours("vllm-many-adapters", f"vLLM: 20 copies, {SLOTS} slots", engine, 20, "sql", SLOTS),
    )


def _llama_options(shipped: Mapping[str, Any], slots: int, threads: int) -> dict[str, Any]:
    return {**shipped, "parallel_requests": slots, "threads": threads}


def _vllm_options(shipped: Mapping[str, Any], slots: int, threads: int) -> dict[str, Any]:
    """The same, in vLLM's words; it takes its threads from the replica's cores."""
    del threads
    own = {key: value for key, value in shipped.items() if key.startswith("default_")}
    context = shipped["max_context_tokens"]
    return {**own, "max_model_len": context, "max_num_seqs": slots, "dtype": "bfloat16"}


def _shipped() -> dict[str, Any]:
    shipped: dict[str, Any] = yaml.safe_load((ROOT / "niche.yaml").read_text(encoding="utf-8"))
    return shipped


def _varied(adapter: Path, to: Path, seed: int) -> Path:
    """A copy of an adapter with other weights, about a thousandth off: another file to load."""
    if to.is_dir():
        return to
    shutil.copytree(adapter, to)
    file, card = to / "adapter_model.safetensors", to / "niche.json"
    random = np.random.default_rng(seed)
    save_file(
        {
            name: (value * random.normal(1, 1e-3, value.shape)).astype(value.dtype)
            for name, value in load_file(file).items()
        },
        file,
    )
    fields = json.loads(card.read_text(encoding="utf-8"))
    with file.open("rb") as content:
        fields["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
    card.write_text(json.dumps(fields), encoding="utf-8")
    return to
