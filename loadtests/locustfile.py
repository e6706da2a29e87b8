"""The file for Locust: `locust -f loadtests/locustfile.py --scenario mixed`. See README.md here.

The scenario limits the run; Locust's own `--users`, `--spawn-rate` and `--run-time` are ignored.
Exit codes: 0, the run met all its objectives; 1, it missed one; 2, it could not start.
"""

import logging
import os
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.traffic.client import PATIENT, Server
from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.probe import wait_until_idle
from loadtests.traffic.prompts import read_prompts
from loadtests.traffic.report import build_report, format_terminal, write_report
from loadtests.traffic.scenario import Scenario, names, read_scenario, scaled
from loadtests.traffic.slo import Run, evaluate
from loadtests.traffic.users import (
    LoadRun,
    ScenarioShape,  # noqa: F401 - Locust looks for its classes in this file
    SimulatedUser,  # noqa: F401 - this one, too
    current_run,
    set_run,
)

_LOOPBACK = "127.0.0.1"
_HOST = f"http://{_LOOPBACK}:8000"
_IDLE_SECONDS = 30.0
"""Seconds within which the gateway must end the requests of disconnected clients."""
_log = logging.getLogger(__name__)


def _objective(text: str) -> tuple[str, float]:
    name, _, limit = text.partition("=")
    try:
        return name, float(limit)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: write NAME=LIMIT, such as failed_share=0.01") from None


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Adds the options beyond Locust's own, which its web page shows too. Page and master listen on
    loopback unless another address is given, like everything in this project."""
    parser.set_defaults(web_host=_LOOPBACK, master_bind_host=_LOOPBACK)
    parser.add_argument("--scenario", default="mixed", help=f"{', '.join(names())}, or a YAML file")
    parser.add_argument("--model", default="", help="model, instead of the scenario's")
    parser.add_argument("--times", type=float, default=1.0, help="multiple of the scenario's rate")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="duration, instead of the scenario's"
    )
    parser.add_argument("--warm-up", type=int, default=1, help="warm-up requests per domain")
    parser.add_argument(
        "--slo",
        type=_objective,
        action="append",
        default=[],
        metavar="NAME=LIMIT",
        help="another objective, or another limit",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--api-key-env",
        default="",
        metavar="NAME",
        help="the environment variable with the API key",
        include_in_web_ui=False,  # the web page must not choose files or variables of this machine
    )
    parser.add_argument(
        "--report", default="", metavar="FILE", help="the report's file", include_in_web_ui=False
    )


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Checks the options before the run, and lets workers report to the master."""
    environment.host = environment.host or _HOST
    try:
        _new_run(environment)
    except LoadTestError as error:
        _log.error("%s", error)
        sys.exit(2)

    def report(client_id: str, data: dict[str, Any]) -> None:
        del client_id
        run = current_run(environment)
        if run is not None:
            data["load_run"] = run.worker_report()

    def receive(client_id: str, data: dict[str, Any]) -> None:
        run = current_run(environment)
        if run is not None and "load_run" in data:
            run.add_worker_report(client_id, data["load_run"])

    environment.events.report_to_master.add_listener(report)
    environment.events.worker_report.add_listener(receive)


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Warms the server up, from one process only, and starts the clock."""
    set_run(environment, None)
    try:
        run = _new_run(environment)
    except LoadTestError as error:  # the web page has other options
        _log.error("%s", error)
        environment.process_exit_code = 2
        return
    set_run(environment, run)  # before the warm-up: without a run Locust would end
    if not isinstance(environment.runner, WorkerRunner):
        _warm_up(run, _options(environment).warm_up)
    run.started = perf_counter()


@events.test_stop.add_listener
@events.quitting.add_listener
def end(environment: Environment, **_: Any) -> None:
    """Prints and writes the figures of the run, and sets the exit code by its objectives."""
    run = current_run(environment)
    if run is None or isinstance(environment.runner, WorkerRunner):
        return
    set_run(environment, None)
    if run.started is None:
        _log.error("stopped during the warm-up")
        environment.process_exit_code = 2
        return
    left = wait_until_idle(run.server, _IDLE_SECONDS)
    seconds = min(run.elapsed, run.scenario.seconds)
    slos = evaluate(run.scenario.slos, Run(run.measured, left))
    fields = build_report(run.scenario, seconds, run.measured, slos)
    print(format_terminal(fields))
    if path := _options(environment).report:
        write_report(Path(path), fields)
    environment.process_exit_code = 0 if all(slo.met for slo in slos) else 1


def _options(environment: Environment) -> Any:
    return environment.parsed_options  # of Locust's parser, and of the web page


def _new_run(environment: Environment) -> LoadRun:
    options = _options(environment)
    scenario, server = _scenario(options), _server(environment, options)
    prompts = read_prompts(scenario.shares, scenario.padding_words)
    worker = getattr(environment.runner, "worker_index", 0)
    return LoadRun(scenario, prompts, server, worker)


def _scenario(options: Any) -> Scenario:
    changes: dict[str, Any] = {}
    if options.model:
        changes["model"] = options.model
    if options.seconds:
        changes["seconds"] = options.seconds
    return scaled(read_scenario(options.scenario, changes, dict(options.slo)), options.times)


def _server(environment: Environment, options: Any) -> Server:
    key = os.environ.get(options.api_key_env) if options.api_key_env else None
    if options.api_key_env and not key:
        raise LoadTestError(f"--api-key-env {options.api_key_env}: no such environment variable")
    return Server(str(environment.host), key)


def _warm_up(run: LoadRun, each: int) -> None:
    """Sends requests that do not count: the first answers of a server are slow."""
    scenario = run.scenario
    random = Random(f"{scenario.seed} warm-up")
    for domain in sorted(scenario.shares):
        prompts = read_prompts({domain: 1.0}, scenario.padding_words)
        for _ in range(each):
            result = run.client.send(run.body(prompts.draw(random)), perf_counter(), PATIENT)
            if result.outcome != "answered":
                _log.warning("warm-up: %s: %s: %s", domain, result.outcome, result.reason)
