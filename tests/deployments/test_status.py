"""Replica counts: the controller is asked rarely, whoever wants to know."""

import asyncio

from deployments.status import ReplicaCounts


async def test_one_answer_serves_all_who_ask_soon() -> None:
    """Questions close together share one answer; a later one asks anew."""
    asked, now = [], [0.0]

    def fetch() -> dict[str, int]:
        asked.append(now[0])
        return {"model-a": len(asked)}

    counts = ReplicaCounts(fetch, lambda: now[0], fresh_seconds=1.0)

    assert await asyncio.gather(*(counts.running("model-a") for _ in range(5))) == [1] * 5
    now[0] = 2.0
    assert await counts.running("model-a") == 2
    assert asked == [0.0, 2.0]


async def test_what_is_not_deployed_has_no_replicas() -> None:
    """An application that Serve does not know counts none."""
    assert await ReplicaCounts(dict, lambda: 0.0).running("model-b") == 0
