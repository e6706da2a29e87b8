"""A stack of fakes that looks like the real one: six domains, three specialists, paced answers."""

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from deployments.generation import Piece, Prompt
from deployments.protocol import Chunk, Load, ModelCard, ModelRequest, Usage
from deployments.spec import ModelSpec, Price
from deployments.text_backend import TextBackend
from gateway.app import build_app
from gateway.config import GatewaySection, NicheConfig
from gateway.dependencies import Dependencies
from gateway.metrics import Metrics
from router.config import RouterConfig
from router.explanation import effects
from router.policy import Policy
from router.types import GENERAL, Form, Neighbour, Query, Rationale, Scores, Source

DOMAINS = ("sql", "tools", "math", "biomed", "support", GENERAL)
MARKS = {
    "Columns": "sql",
    "play": "tools",
    "rolls": "math",
    "patients": "biomed",
    "card": "support",
}
ANSWERS = {
    "sql": "SELECT name FROM t WHERE country = 'France'",
    "tools": '{"name": "PlayMusic", "arguments": {"sort": "newest", "artist": "Miles Davis"}}',
    "math": "48 - 29 = 19. There are 19 rolls left.",
    "generalist": "Air scatters short waves of light far more than long ones, so the blue of the "
    "sunlight reaches the eye from all over the sky.\n<b>This is no markup.</b>",
}


@dataclass(frozen=True)
class SoftClassifier:
    """Spreads some probability over all domains, most of it on the marked one."""

    @property
    def classes_(self) -> tuple[str, ...]:
        return DOMAINS

    def scores(self, queries: Sequence[Query]) -> list[Scores]:
        return [self._scores(query) for query in queries]

    def rationale(self, query: Query, neighbours: int = 1) -> Rationale:
        text = _text(query)

        def score(texts: Sequence[str]) -> list[Scores]:
            return self.scores([Query(text=text) for text in texts])

        near = Neighbour("How many <b>singers</b> are there?", "sql", 0.734)
        return Rationale(
            source=Source(0, with_system=False, characters=len(text), shortened=False),
            pieces=effects(text, labelled=False, score=score),
            neighbours=(near,) * neighbours,
            form=Form("plain", 0.96),
        )

    def _scores(self, query: Query) -> Scores:
        text = _text(query)
        found = next((domain for mark, domain in MARKS.items() if mark in text), GENERAL)
        shares = {domain: 0.006 * place for place, domain in enumerate(DOMAINS, start=1)}
        shares[found] += 1 - sum(shares.values())
        return Scores(shares, ood_score=-0.83, max_ood_score=-0.41, min_confidence=0.61)


def _text(query: Query) -> str:
    return query.messages[-1].content if query.messages else query.text or ""


@dataclass
class PacedBackend:
    """A `Backend` that says its answer word by word; a `TextEngine` of its own."""

    name: str
    answer: str
    word_seconds: float
    requests: list[ModelRequest] = field(default_factory=list)
    left_early: int = 0

    def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        self.requests.append(request)
        return TextBackend(self).stream(request)

    async def complete(self, request: ModelRequest) -> Chunk:
        self.requests.append(request)
        return await TextBackend(self).complete(request)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        words = re.findall(r"\S+\s*", self.answer)
        ended = False
        try:
            for number, word in enumerate(words, start=1):
                await asyncio.sleep(self.word_seconds)
                ended = number == len(words)
                usage = Usage(24, len(words), 0, 0.1) if ended else None
                yield Piece(word, 1, "stop" if ended else None, (), usage)
        finally:
            self.left_early += not ended

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def alive(self) -> None:
        return

    async def health(self, _model: str) -> None:
        return

    async def load(self, _model: str) -> Load:
        return Load()

    async def cards(self) -> tuple[ModelCard, ...]:
        return (ModelCard(self.name, "fake", self.name),)


@dataclass(frozen=True)
class Showcase:
    """The app, and its models by name."""

    app: Starlette
    backends: Mapping[str, PacedBackend]


def showcase(word_seconds: float = 0.0, keys: Path | None = None) -> Showcase:
    """A gateway whose models answer at a pace, with keys if a file of them is given."""
    backends = {name: PacedBackend(name, text, word_seconds) for name, text in ANSWERS.items()}
    niches = [name for name in ANSWERS if name != "generalist"]
    config = NicheConfig(
        generalist=_spec("generalist", None, 0.9),
        specialists=tuple(_spec(name, name, 0.3) for name in niches),
        gateway=GatewaySection(api_keys_file=str(keys) if keys else None),
    )
    table = {name: (name,) for name in niches}
    dependencies = Dependencies(
        config=config,
        policy=Policy(table, "generalist", RouterConfig()),
        classifier=SoftClassifier(),
        backends=backends,
        metrics=Metrics(CollectorRegistry()),
        clock=monotonic,
        wall_clock=time,
    )
    return Showcase(build_app(dependencies), backends)


def _spec(name: str, domain: str | None, price: float) -> ModelSpec:
    cost = Price(prompt_per_million_tokens=price, completion_per_million_tokens=2 * price)
    return ModelSpec(name=name, model="none", engine="fake", domain=domain, price=cost)
