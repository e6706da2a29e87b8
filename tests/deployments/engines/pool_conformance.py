"""What every engine promises whose process serves several models."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from deployments.engine import Engine
from tests.deployments.engines.asking import ask, leave_at_random, streamed
from tests.model_requests import text_of


@dataclass(frozen=True)
class Shared:
    """Models that share an engine, and an engine for each of them alone, by its name."""

    engine: Engine
    alone: Mapping[str, Engine]


class PoolConformance:
    """The suite of engines that serve several models. A subclass has the fixture `shared`."""

    async def test_each_model_answers_as_it_does_alone(self, shared) -> None:
        """Whole and streamed, also while the others answer; and no two say the same."""
        requests = {name: replace(ask(), model=name) for name in shared.alone}
        alone = {
            name: text_of([await engine.complete(requests[name])])
            for name, engine in shared.alone.items()
        }
        names = list(alone) * 3
        whole = await asyncio.gather(*(shared.engine.complete(requests[name]) for name in names))
        streams = await asyncio.gather(*(streamed(shared.engine, requests[n]) for n in names))

        wanted = [alone[name] for name in names]
        assert [text_of([answer]) for answer in whole] == wanted
        assert [text_of(chunks) for chunks in streams] == wanted
        assert len(set(wanted)) == len(alone)

    async def test_requests_that_leave_at_random_leave_nothing_behind(self, shared) -> None:
        """Whichever models they ask: afterwards each answers as before."""
        requests = [replace(ask(), model=name) for name in shared.alone]
        before = [text_of([await shared.engine.complete(request)]) for request in requests]
        await leave_at_random(shared.engine, 80, list(shared.alone))
        loads = [await shared.engine.load(name) for name in shared.alone]

        assert [(load.running, load.queued) for load in loads] == [(0, 0)] * len(loads)
        assert [text_of([await shared.engine.complete(asked)]) for asked in requests] == before

    async def test_each_model_has_its_own_counts(self, shared) -> None:
        """Of a request that runs, and of those before it; the others' stay as they were."""
        asked, *others = shared.alone
        before = {name: await shared.engine.load(name) for name in shared.alone}
        async with aclosing(shared.engine.stream(replace(ask(), model=asked))) as stream:
            await anext(stream)
            during = await shared.engine.load(asked)
        after = {name: await shared.engine.load(name) for name in shared.alone}

        assert (before[asked].running, during.running, after[asked].running) == (0, 1, 0)
        assert after[asked].cancelled == before[asked].cancelled + 1
        assert [replace(after[name], engine=None) for name in others] == [
            replace(before[name], engine=None) for name in others
        ]

    async def test_each_model_has_health_and_a_card(self, shared) -> None:
        """The card is that of the model alone."""
        for name in shared.alone:
            await shared.engine.health(name)

        alone = [card for engine in shared.alone.values() for card in await engine.cards()]
        assert list(await shared.engine.cards()) == alone
        assert [card.name for card in alone] == list(shared.alone)
