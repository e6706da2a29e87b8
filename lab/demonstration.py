"""`python -m lab.demonstration PROMPTS`: selection with a planted bad specialist, end to end.

Starts the local stack (`niche serve`) with one specialist that has the adapter of another domain,
sends prompts with known answers, and gives feedback. Then it restarts the stack with a better
generalist. Writes `report.json` and `shares.png`; after Ctrl-C they cover the requests so far.

    niche compare --write-set prompts.jsonl --data-dir DIR --ask-generalist plain --rows 300
    python -m lab.demonstration prompts.jsonl

A model `oracle:SHARE` is a stand-in that gives the right answer to that share of the prompts. With
`--specialists oracle:0.9,biomed=0.2` no model files are needed but the router's.
"""

import argparse
import asyncio
import copy
import hashlib
import json
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import yaml
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deployments.strict_yaml import load_yaml
from lab.comparison.errors import ComparisonError
from lab.comparison.rows import Row, read_rows
from lab.machine import commit, machine
from router.grading.registry import GRADERS, as_read
from router.types import Reason

Scores = NDArray[np.float64]
Json = dict[str, Any]
STAND_IN, OWN = "oracle:", "own"
_GENERALIST = f"{STAND_IN}0.3,sql=0.23,tools=0.08,math=0.17,biomed=0.45,support=0.6"
"""The accuracy of the default generalist with examples in its prompt (docs/results)."""
_SPECIALIST_CHOSEN = (Reason.ROUTED.value, Reason.NO_ACTIVE_SPECIALIST.value)  # active or not
_READY_SECONDS, _PAIR_SECONDS = 900.0, 60.0
_MAX_TOKENS = 256
_WINDOW = 60  # requests in the plot's moving average of traffic shares


def stand_in_shares(name: str) -> dict[str, float]:
    """Parses `oracle:0.3,sql=0.2` into the share of right answers by domain; "" is the default.

    Raises:
        ComparisonError: the format is invalid.
    """
    parts = [part.rpartition("=") for part in name.removeprefix(STAND_IN).split(",")]
    try:
        shares = {domain: float(share) for domain, _, share in parts}
    except ValueError:
        shares = {}
    if "" not in shares or not all(0 <= share <= 1 for share in shares.values()):
        raise ComparisonError(
            f"{name!r}: write {STAND_IN}SHARE[,DOMAIN=SHARE...], each from 0 to 1"
        )
    return shares


def stand_in_answer(row: Row, shares: Mapping[str, float]) -> str:
    """The right answer or "I do not know."; a higher share only adds right answers."""
    digest = hashlib.sha256(f"stand-in {row.key}".encode()).digest()
    right = int.from_bytes(digest[:8]) / 2**64 < shares.get(row.domain, shares[""])
    return row.reference.answer if right else "I do not know."


@contextmanager
def serving_stand_ins(rows: Sequence[Row], names: Sequence[str]) -> Iterator[str]:
    """Serves stand-ins as models of an OpenAI-compatible server; yields its base URL."""
    models = {name: stand_in_shares(name) for name in names if name.startswith(STAND_IN)}
    known = {row.chat[-1].content: row for row in rows}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send("application/json", json.dumps({"data": [{"id": name} for name in models]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = body["messages"][-1]["content"]
            text = stand_in_answer(known[prompt], models[body["model"]]) if prompt in known else "?"
            usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop"}
            events = map(json.dumps, ({"choices": [choice]}, {"choices": [], "usage": usage}))
            lines = [f"data: {event}\n\n" for event in (*events, "[DONE]")]
            self._send("text/event-stream", "".join(lines))

        def log_message(self, format: str, *args: Any) -> None:
            """Discards the log."""

        def _send(self, kind: str, text: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()


@dataclass(frozen=True)
class Experiment:
    """What the demonstration runs.

    Attributes:
        config: the operator's niche.yaml.
        planted: the domain of the bad specialist, and the domain whose adapter it gets.
        specialists: a stand-in for all of them, or `own`: those of the configuration.
    """

    config: Mapping[str, Any]
    planted: tuple[str, str]
    specialists: str = OWN

    def __post_init__(self) -> None:
        if self.planted[0] not in self.names:
            known = ", ".join(self.names)
            raise ComparisonError(f"--planted {self.planted[0]}: is none of these domains: {known}")

    @property
    def generalist(self) -> str:
        """The generalist's name in the stack."""
        return str(self.config["generalist"]["name"])

    @property
    def names(self) -> dict[str, str]:
        """The name of each domain's specialist."""
        return {spec["domain"]: spec["name"] for spec in self.config["specialists"]}

    def stack_config(self, generalist: str, stand_ins: str, state: Path) -> Json:
        """The stack's configuration with a generalist: `own`, a stand-in or a model of the engine.

        Selection is as configured; more requests are compared, so that some hundred are enough.
        `stand_ins` is the URL of their server, `state` the evidence, the same for all generalists.
        """
        made: Json = copy.deepcopy(dict(self.config))
        for spec in made["specialists"]:
            if spec["domain"] == self.planted[0]:
                spec["adapter"] = self.planted[1]
            _set_model(spec, self.specialists, stand_ins)
        _set_model(made["generalist"], generalist, stand_ins)
        shadow = {"path": str(state), "store_texts": True, "max_tokens_per_day": 10**8}
        shadow |= {"sample_ratio": 1, "trial_sample_ratio": 1, "max_concurrent": 32}
        shadow |= {"max_requests_in_flight": 64}
        made["gateway"] = (made.get("gateway") or {}) | {"shadow": shadow}
        return made


def _set_model(spec: Json, model: str, stand_ins: str) -> None:
    if model == OWN:
        return
    spec["model"] = model
    if model.startswith(STAND_IN):
        for key in ("adapter", "resources", "replicas", "autoscaling"):
            spec.pop(key, None)
        spec |= {"engine": "openai", "engine_options": {"base_url": stand_ins}}


@contextmanager
def running_stack(config: Path, log: Path) -> Iterator[str]:
    """Starts `niche serve`, yields its address as soon as it is ready, and stops it.

    Raises:
        ComparisonError: the stack ended, or was not ready in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "cli.main", "serve", "--config", str(config), "--port", port]
    end = time.monotonic() + _READY_SECONDS
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            while not _is_ready(f"http://127.0.0.1:{port}/readyz?all"):
                if process.poll() is not None or time.monotonic() > end:
                    text = " ".join(log.read_text(errors="replace")[-400:].split())
                    raise ComparisonError(f"the stack did not start; {log} ends: {text}")
                time.sleep(1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


@dataclass
class Request:
    """One prompt and its answers.

    Attributes:
        number: its position in the stream, from 1.
        phase: 1 or 2.
        sent: Unix seconds.
        model: the model that answered the user; None: the request failed.
        specialist: the classifier's choice, active or not; None: no specialist.
        scores: the score of each model whose answer is known.
        paired: whether the gateway itself compared the two answers, which makes them evidence.
    """

    number: int
    phase: int
    sent: float
    model: str | None = None
    specialist: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    paired: bool = False


@dataclass
class Stream:
    """The requests so far, and the latest evidence of the gateway."""

    experiment: Experiment
    requests: list[Request] = field(default_factory=list)
    evidence: Json = field(default_factory=dict)

    async def play(self, url: str, phase: int, rows: Sequence[Row], concurrency: int) -> None:
        """Sends the prompts of a phase to the gateway, several at a time.

        Raises:
            ComparisonError: the stack is gone.
        """
        waiting = iter(rows)

        async def work(http: httpx.AsyncClient) -> None:
            for row in waiting:
                request = Request(len(self.requests) + 1, phase, time.time())
                self.requests.append(request)
                try:
                    await self._send(http, row, request)
                    self.evidence = await _json(http, "GET", "/v1/niche/evidence")
                except httpx.HTTPStatusError as error:
                    print(f"demonstration: request {request.number}: {error}", file=sys.stderr)

        async with httpx.AsyncClient(base_url=url, timeout=300) as http:
            try:
                await asyncio.gather(*(work(http) for _ in range(concurrency)))
            except httpx.TransportError as error:
                raise ComparisonError(f"{url}: {error!r}; see the stack's log") from error

    async def _send(self, http: httpx.AsyncClient, row: Row, request: Request) -> None:
        """Gets both answers and their scores, and gives feedback where the gateway compares."""
        text, niche = await _chat(http, "auto", row)
        request.model, request_id = niche["model"], niche["request_id"]
        request.scores[niche["model"]] = _score(row, text)
        if niche["reason"] in _SPECIALIST_CHOSEN:
            request.specialist = self.experiment.names[niche["domain"]]
            [other] = {self.experiment.generalist, request.specialist} - {niche["model"]}
            states = {of["name"]: of["state"] for of in self.evidence.get("specialists", ())}
            compared = states.get(request.specialist) != "retired"
            pair = await _pair(http, request_id) if compared else None
            if pair is None:  # a request that names its model is no evidence
                text, _ = await _chat(http, other, row)
            else:
                text = pair[other]
            request.scores[other] = _score(row, text)
            for model, score in request.scores.items() if pair else ():
                body = {"request_id": request_id, "model": model, "score": score}
                told = await _json(http, "POST", "/v1/feedback", json=body)
                request.paired = told["status"] == "graded"


async def _chat(http: httpx.AsyncClient, model: str, row: Row) -> tuple[str, Json]:
    body = {
        "model": model,
        "messages": [turn.model_dump() for turn in row.chat],
        "max_tokens": row.max_tokens or _MAX_TOKENS,
        "temperature": 0,
    }
    found = await _json(http, "POST", "/v1/chat/completions", json=body)
    return found["choices"][0]["message"]["content"] or "", found["niche"]


async def _pair(http: httpx.AsyncClient, request_id: str) -> dict[str, str] | None:
    """Both answers by model, after the shadow answer arrives; None: it did not arrive in time."""
    end, pause = time.monotonic() + _PAIR_SECONDS, 0.05
    while time.monotonic() < end:
        response = await http.get(f"/v1/niche/pairs/{request_id}")
        if response.is_success:
            [pair] = response.json()["pairs"]
            return {answer["model"]: answer["text"] for answer in pair.values()}
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, 0.5)
    return None


async def _json(http: httpx.AsyncClient, method: str, path: str, **more: Any) -> Json:
    response = await http.request(method, path, **more)
    response.raise_for_status()
    found: Json = response.json()
    return found


def _score(row: Row, text: str) -> float:
    read = as_read(text, row.grader, row.reference.answer)
    return GRADERS[row.grader](read, row.reference).quality


def policy_scores(requests: Sequence[Request], generalist: str) -> dict[str, Scores]:
    """Each policy's score on the requests whose two answers are known.

    `best per domain` takes for each specialist and phase the better model on average, known only in
    hindsight; `oracle` takes the better answer of each request.
    """
    general = np.array([request.scores[generalist] for request in requests])
    routed = np.array([request.scores[request.specialist or generalist] for request in requests])
    group = np.array([f"{request.phase} {request.specialist}" for request in requests])
    better = [np.mean((routed - general)[group == of]) > 0 for of in group]
    return {
        "selection": np.array([r.scores[r.model or generalist] for r in requests]),
        "always route": routed,
        "all generalist": general,
        "best per domain": np.where(better, routed, general),
        "oracle": np.maximum(routed, general),
    }


def cumulative_regret(scores: Mapping[str, Scores]) -> dict[str, Scores]:
    """Each policy's cumulative regret against the oracle, at every request."""
    return {policy: np.cumsum(scores["oracle"] - own) for policy, own in scores.items()}


def traffic_shares(models: Sequence[str], window: int) -> dict[str, Scores]:
    """Each model's share of the latest requests, at every request."""
    ends = np.arange(1, len(models) + 1)
    starts = np.maximum(ends - window, 0)
    counts = {name: np.cumsum([0, *(m == name for m in models)]) for name in sorted({*models})}
    return {name: (of[ends] - of[starts]) / (ends - starts) for name, of in counts.items()}


def transitions(stream: Stream) -> list[Json]:
    """The changes of state by evidence, in order.

    Each has the number of requests sent before it, and the number of later requests that the
    specialist still answered.
    """
    found = []
    for specialist in stream.evidence.get("specialists", ()):
        for move in specialist["transitions"]:
            if move["by"] == "evidence":
                later = [request for request in stream.requests if request.sent > move["time"]]
                sent = len(stream.requests) - len(later)
                answered = sum(of.model == specialist["name"] for of in later)
                counts = {"requests_sent": sent, "answered_later": answered}
                found.append({"specialist": specialist["name"], **move, **counts})
    return sorted(found, key=lambda move: float(move["time"]))


def figures(stream: Stream) -> Json:
    """All figures, as JSON values."""
    known = _complete(stream)
    scores = policy_scores(known, stream.experiment.generalist)
    regret = cumulative_regret(scores)
    return {
        "planted": stream.experiment.names[stream.experiment.planted[0]],
        "requests": {
            "sent": len(stream.requests),
            "failed": sum(request.model is None for request in stream.requests),
            "specialist_chosen": sum(of.specialist is not None for of in known),
            "paired": sum(of.paired for of in known),
        },
        "transitions": transitions(stream),
        "policies": {
            policy: {"quality": float(own.mean()), "regret": float(regret[policy][-1])}
            for policy, own in scores.items()
        },
    }


def _complete(stream: Stream) -> list[Request]:
    generalist = stream.experiment.generalist
    return [
        r
        for r in stream.requests
        if r.model and {generalist, r.specialist or generalist, r.model} <= r.scores.keys()
    ]


def draw(stream: Stream, swap: int, path: Path) -> None:
    """Draws traffic shares above the regret of every policy; `swap`: requests before the swap."""
    generalist = stream.experiment.generalist
    answered = [request for request in stream.requests if request.model]
    shares = traffic_shares([of.model or "" for of in answered], _WINDOW)
    names = sorted(shares, key=lambda name: (name == generalist, name))
    colours = ["#BBBBBB" if name == generalist else f"C{n}" for n, name in enumerate(names)]
    figure = Figure(figsize=(10, 8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    numbers = [of.number for of in answered]
    planted = stream.experiment.names[stream.experiment.planted[0]]
    labels = [f"{name} (planted)" if name == planted else name for name in names]
    above.stackplot(numbers, [100 * shares[name] for name in names], labels=labels, colors=colours)
    above.set(ylim=(0, 100), xlim=(1, max(2, len(stream.requests))))
    above.set_ylabel(f"% of the latest {_WINDOW} requests")
    known = _complete(stream)
    for policy, values in cumulative_regret(policy_scores(known, generalist)).items():
        below.plot([of.number for of in known], values, label=policy, drawstyle="steps-post")
    below.set(ylabel="cumulative regret against the oracle", xlabel="requests")
    moves = [(of["requests_sent"], _summary(of)) for of in transitions(stream)]
    for place, (number, text) in enumerate([(swap, "better generalist"), *moves]):
        side = "right" if number > len(stream.requests) / 2 else "left"
        box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}
        above.text(number, 95 - 6 * (place % 8), f" {text} ", ha=side, bbox=box)
        for axes in (above, below):
            axes.axvline(number, color="black", linestyle="--", linewidth=1)
    for axes in (above, below):
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), reverse=axes is above)
    figure.savefig(path, dpi=130)


def _summary(move: Mapping[str, Any]) -> str:
    return f"{move['specialist']}: {move['from']} to {move['to']} after {move['pairs']} pairs"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.demonstration", description=__doc__)
    add = parser.add_argument
    add("prompts", type=Path, help="JSON lines, as `niche compare --write-set` writes them")
    add("--out", type=Path, default=Path("work/demonstration"), help="folder of results and logs")
    add("--config", type=Path, default=Path("niche.yaml"), help="the stack's niche.yaml")
    add("--planted", default="biomed=tools", metavar="DOMAIN=ADAPTER", help="the bad specialist")
    add("--specialists", default=OWN, help=f"`{OWN}`, or a stand-in for all of them")
    add("--generalist", default=_GENERALIST, help=f"first: `{OWN}`, a model, or a stand-in")
    add("--better", default=f"{STAND_IN}0.95", help="the generalist after the swap")
    add("--swap-at", type=float, default=0.33, help="share of the prompts before the swap")
    add("--concurrency", type=int, default=4, help="concurrent requests")
    add("--seed", type=int, default=0, help="seed for the order of the prompts")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demonstration; exit codes: 0 done, 2 cannot run, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except (ComparisonError, OSError) as error:
        print(f"demonstration: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    config = load_yaml(arguments.config.read_text(encoding="utf-8"))
    domain, _, adapter = arguments.planted.partition("=")
    stream = Stream(Experiment(config, (domain, adapter), arguments.specialists))
    rows, out = read_rows(arguments.prompts), arguments.out
    random.Random(arguments.seed).shuffle(rows)
    swap = round(arguments.swap_at * len(rows))
    generalists = (arguments.generalist, arguments.better)
    out.mkdir(parents=True)  # results are not overwritten
    code, models = 0, (*generalists, arguments.specialists)
    with serving_stand_ins(rows, models) as url:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops the stack too
        try:
            for phase, (name, part) in enumerate(
                zip(generalists, (rows[:swap], rows[swap:]), strict=True), start=1
            ):
                made = stream.experiment.stack_config(name, url, (out / "evidence.db").resolve())
                file = out / f"niche-{phase}.yaml"
                file.write_text(yaml.safe_dump(made), encoding="utf-8")
                print(f"demonstration: phase {phase}: {name}, {len(part)} prompts", file=sys.stderr)
                with running_stack(file, out / f"stack-{phase}.log") as address:
                    asyncio.run(stream.play(address, phase, part, arguments.concurrency))
        except KeyboardInterrupt:
            code = 130
    if _complete(stream):
        found = figures(stream) | {"arguments": vars(arguments), "commit": commit()}
        text = json.dumps({**found, "machine": machine()}, indent=1, default=str)
        (out / "report.json").write_text(f"{text}\n", encoding="utf-8")
        draw(stream, swap, out / "shares.png")
        for policy, of in found["policies"].items():
            print(f"{policy:<16} quality {of['quality']:.3f}, regret {of['regret']:.1f}")
        print(*map(_summary, found["transitions"]), f"{out}: results written", sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
