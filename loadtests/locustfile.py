"""What Locust loads: `locust -f loadtests/locustfile.py --scenario mixed`. See the README here.

The scenario bounds the run: Locust's own `--users`, `--spawn-rate` and `--run-time` are not asked.
Exit codes: 0, all targets were met; 1, one was missed; 2, the run could not be made.
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

from loadtests.traffic.caller import Manner, Server
from loadtests.traffic.errors import TrafficError
from loadtests.traffic.probe import settled
from loadtests.traffic.prompts import read_prompts
from loadtests.traffic.report import report, terminal, write_report
from loadtests.traffic.scenario import Scenario, faster, names, read_scenario
from loadtests.traffic.slo import Run, checks
from loadtests.traffic.users import Traffic, keep, traffic_of

_LOOPBACK = "127.0.0.1"
_HOST = f"http://{_LOOPBACK}:8000"
_SETTLING_SECONDS = 30.0
"""That the gateway may take to end what its clients have left."""
_log = logging.getLogger(__name__)


def _target(text: str) -> tuple[str, float]:
    name, _, limit = text.partition("=")
    try:
        return name, float(limit)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no target, such as failed_share=0.01") from None


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """The options beyond Locust's; the web page has them too. Its page and its master listen on
    loopback unless told otherwise, as all of this project does."""
    parser.set_defaults(web_host=_LOOPBACK, master_bind_host=_LOOPBACK)
    parser.add_argument("--scenario", default="mixed", help=f"{', '.join(names())}, or a YAML file")
    parser.add_argument("--model", default="", help="who is asked, instead of the scenario's")
    parser.add_argument("--times", type=float, default=1.0, help="so many times as many requests")
    parser.add_argument("--seconds", type=float, default=0.0, help="instead of the scenario's")
    parser.add_argument("--warm-up", type=int, default=1, help="forgotten requests per domain")
    parser.add_argument(
        "--slo",
        type=_target,
        action="append",
        default=[],
        metavar="NAME=LIMIT",
        help="another target, or another limit",
        include_in_web_ui=False,
    )
    parser.add_argument(
        "--api-key-env",
        default="",
        metavar="NAME",
        help="the variable that holds the key",
        include_in_web_ui=False,  # a page must not choose what is read here, or where is written
    )
    parser.add_argument(
        "--report", default="", metavar="FILE", help="write it here", include_in_web_ui=False
    )


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Finds what would stop the run later, while it can be said in a line; lets workers report."""
    environment.host = environment.host or _HOST
    try:
        _traffic(environment)
    except TrafficError as error:
        _tell(error)
        sys.exit(2)

    def tell(client_id: str, data: dict[str, Any]) -> None:
        del client_id
        traffic = traffic_of(environment)
        if traffic is not None:
            data["traffic"] = traffic.told()

    def hear(client_id: str, data: dict[str, Any]) -> None:
        traffic = traffic_of(environment)
        if traffic is not None and "traffic" in data:
            traffic.hear(client_id, data["traffic"])

    environment.events.report_to_master.add_listener(tell)
    environment.events.worker_report.add_listener(hear)


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Warms the server up, from one process, and starts the clock."""
    keep(environment, None)
    try:
        traffic = _traffic(environment)
    except TrafficError as error:  # the web page gave other options
        _tell(error)
        environment.process_exit_code = 2
        return
    keep(environment, traffic)  # the warm-up takes its time, and without a run Locust would end
    if not isinstance(environment.runner, WorkerRunner):
        _warm_up(traffic, _options(environment).warm_up)
    traffic.started = perf_counter()


@events.test_stop.add_listener
@events.quitting.add_listener
def end(environment: Environment, **_: Any) -> None:
    """Shows and writes the figures of a run, and says whether its targets were met."""
    traffic = traffic_of(environment)
    if traffic is None or isinstance(environment.runner, WorkerRunner):
        return
    keep(environment, None)
    if traffic.started is None:
        _log.error("stopped before the server was warmed up")
        environment.process_exit_code = 2
        return
    scenario = traffic.scenario
    left = settled(traffic.server, _SETTLING_SECONDS)
    seconds = min(traffic.elapsed, scenario.seconds)
    found = checks(scenario.slos, Run(traffic.ledger, left))
    fields = report(scenario, seconds, traffic.ledger, found)
    print(terminal(fields))
    if path := _options(environment).report:
        write_report(Path(path), fields)
    environment.process_exit_code = 0 if all(of.met for of in found) else 1


def _options(environment: Environment) -> Any:
    return environment.parsed_options  # made by Locust's parser, and by the web page


def _traffic(environment: Environment) -> Traffic:
    options = _options(environment)
    scenario, server = _scenario(options), _server(environment, options)
    prompts = read_prompts(scenario.shares, scenario.padding_words)
    worker = getattr(environment.runner, "worker_index", 0)
    return Traffic(scenario, prompts, server, worker)


def _scenario(options: Any) -> Scenario:
    changes: dict[str, Any] = {}
    if options.model:
        changes["model"] = options.model
    if options.seconds:
        changes["seconds"] = options.seconds
    return faster(read_scenario(options.scenario, changes, dict(options.slo)), options.times)


def _server(environment: Environment, options: Any) -> Server:
    key = os.environ.get(options.api_key_env) if options.api_key_env else None
    if options.api_key_env and not key:
        raise TrafficError(f"--api-key-env {options.api_key_env}: there is no such variable")
    return Server(str(environment.host), key)


def _warm_up(traffic: Traffic, each: int) -> None:
    """The first answers of a server are not like the others."""
    scenario = traffic.scenario
    random = Random(f"{scenario.seed} warm-up")
    for domain in sorted(scenario.shares):
        prompts = read_prompts({domain: 1.0}, scenario.padding_words)
        for _ in range(each):
            body = traffic.body(prompts.draw(random))
            answer = traffic.caller.ask(body, perf_counter(), Manner())
            if answer.outcome != "answered":
                _log.warning("warm-up: %s: %s: %s", domain, answer.outcome, answer.why)


def _tell(error: TrafficError) -> None:
    _log.error("%s", error)
