"""The request bodies of the benchmark: prompts of all domains, made distinct by a number."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from loadtests.bench.client import MARK
from loadtests.bench.upstream import STREAM_TOKENS, WHOLE_TOKENS
from loadtests.traffic.prompts import read_prompts
from loadtests.traffic.scenario import read_scenario

_SCENARIO = "mixed"
"""Whose shares of the domains these prompts have."""
_COUNT = 500


def bodies(model: str, *, stream: bool, seed: int = 0) -> Iterator[str]:
    """Bodies for a model, each with `MARK` where its number goes."""
    mix, random = read_prompts(read_scenario(_SCENARIO).shares), Random(seed)
    for _ in range(_COUNT):
        text = f"{mix.draw(random).text} (request {MARK})"
        fields = {"model": model, "messages": [{"role": "user", "content": text}]}
        limit = STREAM_TOKENS if stream else WHOLE_TOKENS
        more = {"max_tokens": limit} | ({"stream": True} if stream else {})
        yield json.dumps(fields | more)


def write_bodies(folder: Path, model: str, *, stream: bool) -> Path:
    """Writes a file of bodies, one a line."""
    path = folder / f"bodies-{'streams' if stream else 'whole'}-{model.replace('/', '_')}.txt"
    path.write_text("\n".join(bodies(model, stream=stream)) + "\n", encoding="utf-8")
    return path
