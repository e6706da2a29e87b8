"""`python -m loadtests.bench`: the serving path beside a bare upstream, LiteLLM and Ray Serve.

`python -m loadtests.bench beside --url URL --model NAME` puts any OpenAI-compatible server beside
ours. Exit codes: 0, measured; 2, it could not run; 130, interrupted.
"""

import argparse
import ipaddress
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtests.bench.benchmark import QUICK, Benchmark, Settings
from loadtests.bench.journal import Journal
from loadtests.bench.load import wrk_version
from loadtests.bench.machine import commit, describe_machine, describe_versions, load_average
from loadtests.bench.report import markdown, summary
from loadtests.bench.stacks import (
    BARE,
    LiteLLM,
    RayServe,
    RunningServer,
    Stack,
    Workspace,
    bare_stack,
    bare_upstream,
    litellm_version,
    our_stacks,
    select,
)
from loadtests.interruption import end_on_sigterm
from loadtests.traffic.client import Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.stack import free_port

_ROOT = Path(__file__).parents[2]
_OUT, _LITELLM = Path("work/bench"), Path("work/litellm")
_IMPOSSIBLE, _INTERRUPTED = 2, 130
_MOST_ROUNDS, _MOST_SECONDS, _MOST_CLIENTS = 50, 120.0, 1024


def _options(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    default = Settings()
    parser.add_argument("--rounds", type=int, help=f"default: {default.rounds}")
    parser.add_argument("--seconds", type=float, help=f"of each load; default: {default.seconds:g}")
    parser.add_argument("--clients", type=int, nargs="+", help="requests at once: 1 16 64")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these, and the bare upstream")
    parser.add_argument("--quick", action="store_true", help="one short round, to see it work")
    parser.add_argument("--out", type=Path, default=_OUT, help=f"results (default: {_OUT})")
    parser.add_argument("--fresh", action="store_true", help="do not continue what is in --out")
    parser.add_argument("--upstream-port", type=int, help="default: a free one")
    parser.add_argument(
        "--upstream-processes",
        type=int,
        default=max(1, min(4, (os.cpu_count() or 1) // 2)),
        help="of the bare upstream (default: half the cores, at most 4)",
    )
    return parser


def _run_parser() -> argparse.ArgumentParser:
    parser = _options("python -m loadtests.bench")
    parser.add_argument(
        "--litellm",
        type=Path,
        default=_LITELLM,
        metavar="DIR",
        help=f"the virtual environment with LiteLLM (default: {_LITELLM}, of `make bench-tools`)",
    )
    return parser


def _beside_parser() -> argparse.ArgumentParser:
    parser = _options("python -m loadtests.bench beside")
    parser.add_argument("--url", required=True, help="of any server with the OpenAI API")
    parser.add_argument("--model", required=True, help="the model that requests name")
    parser.add_argument("--key-env", metavar="NAME", help="the environment variable with its key")
    parser.add_argument("--pid", type=int, help="its process, to measure CPU time and memory")
    parser.add_argument("--allow-remote", action="store_true", help="load another machine")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs it; returns the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    beside = given[:1] == ["beside"]
    arguments = (
        _beside_parser().parse_args(given[1:]) if beside else _run_parser().parse_args(given)
    )
    end_on_sigterm()
    try:
        others = _beside(arguments) if beside else _rivals(arguments)
        _run(arguments, _settings(arguments), others)
    except LoadTestError as error:
        print(f"bench: {error}", file=sys.stderr)
        return _IMPOSSIBLE
    except KeyboardInterrupt:
        print("bench: interrupted; the same command continues", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = QUICK if arguments.quick else Settings()
    given = {"rounds": arguments.rounds, "seconds": arguments.seconds}
    if arguments.clients is not None:
        given["clients"] = tuple(arguments.clients)
    settings = replace(settings, **{key: of for key, of in given.items() if of is not None})
    if not 1 <= settings.rounds <= _MOST_ROUNDS:
        raise LoadTestError(f"--rounds {settings.rounds}: from 1 to {_MOST_ROUNDS}")
    if not 1 <= settings.seconds <= _MOST_SECONDS:
        raise LoadTestError(f"--seconds {settings.seconds:g}: from 1 to {_MOST_SECONDS:g}")
    if not all(1 <= clients <= _MOST_CLIENTS for clients in settings.clients):
        raise LoadTestError(f"--clients {settings.clients}: from 1 to {_MOST_CLIENTS} each")
    return settings


def _rivals(arguments: argparse.Namespace) -> tuple[Stack, ...]:
    return (*our_stacks(), LiteLLM(arguments.litellm.absolute()), RayServe())


def _beside(arguments: argparse.Namespace) -> tuple[Stack, ...]:
    key = None
    if arguments.key_env is not None and not (key := os.environ.get(arguments.key_env)):
        raise LoadTestError(f"--key-env: there is no environment variable {arguments.key_env}")
    server = Server(arguments.url, key)
    if not (arguments.allow_remote or is_loopback(str(urlsplit(server.url).hostname))):
        raise LoadTestError(
            f"--url {arguments.url}: not on this machine; --allow-remote loads it all the same"
        )
    title = f"{arguments.model} at {server.url}"
    return (RunningServer("beside", title, server, arguments.model, arguments.pid), *our_stacks())


def is_loopback(host: str) -> bool:
    """Whether all addresses of a host are of the loopback device."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def _run(arguments: argparse.Namespace, settings: Settings, others: tuple[Stack, ...]) -> None:
    chosen = others
    if arguments.only is not None:
        chosen = select(others, set(arguments.only) - {BARE})
    out: Path = arguments.out
    if arguments.fresh:
        shutil.rmtree(out / "logs", ignore_errors=True)
        (out / "samples.jsonl").unlink(missing_ok=True)
    about = _about(arguments, settings, chosen)
    journal = Journal(out / "samples.jsonl", about)
    if (busy := load_average()) > (os.cpu_count() or 1) / 2:
        journal.note(f"The machine was busy when a run began: load average {busy:.1f}.")
    port = arguments.upstream_port or free_port()
    with tempfile.TemporaryDirectory(prefix="niche-bench-") as scratch:
        logs = out / "logs"
        with bare_upstream(logs, port, arguments.upstream_processes) as bare:
            key = f"sk-{secrets.token_urlsafe(24)}"
            workspace = Workspace(Path(scratch), logs, key, bare.server)
            stacks: tuple[Stack, ...] = (bare_stack(bare), *chosen)
            titles = {name: title for stack in stacks for name, title in _titles(stack)}
            write = _writer(out, about, titles, journal)
            try:
                Benchmark(settings, stacks, workspace, journal, _speaker()).run(write)
            finally:
                write()
    print((out / "bench.md").read_text(encoding="utf-8"))


def _about(
    arguments: argparse.Namespace, settings: Settings, stacks: Sequence[Stack]
) -> dict[str, Any]:
    litellm = [litellm_version(of.environment) for of in stacks if isinstance(of, LiteLLM)]
    more = {"wrk": wrk_version(), "litellm": litellm[0] if litellm else None}
    return {
        "commit": commit(_ROOT),
        "machine": describe_machine(),
        "versions": describe_versions(more),
        "settings": asdict(settings) | {"upstream_processes": arguments.upstream_processes},
        "names": [name for stack in stacks for name, _ in _titles(stack)],
    }


def _titles(stack: Stack) -> list[tuple[str, str]]:
    return [*((arm.name, arm.title) for arm in stack.arms), (stack.name, stack.title)]


def _writer(
    out: Path, about: dict[str, Any], titles: dict[str, str], journal: Journal
) -> Callable[[], None]:
    """Writes what was measured so far, for programs and for people."""

    def write() -> None:
        fields = about | {"notes": journal.notes, "summary": summary(journal.samples)}
        fields["samples"] = [asdict(sample) for sample in journal.samples]
        (out / "bench.json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
        text = markdown(about, titles, journal.samples, journal.notes)
        (out / "bench.md").write_text(text, encoding="utf-8")

    return write


def _speaker() -> Callable[[str], None]:
    began = time.monotonic()

    def say(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"bench: {minutes:3d}:{seconds:02d} {line}", file=sys.stderr, flush=True)

    return say


if __name__ == "__main__":
    sys.exit(main())
