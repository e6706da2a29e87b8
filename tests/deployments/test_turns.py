"""`deployments.turns`: clients take turns, and each one's requests go as they came."""

import asyncio

from deployments.turns import Turns

Turn = asyncio.Future[None]


async def waiting(turns: Turns[None], *names: str) -> dict[Turn, str]:
    """Requests in this order; a name's letter is the client's."""
    named = {asyncio.get_running_loop().create_future(): name for name in names}
    for turn, name in named.items():
        turns.append(name[0], turn)
    return named


def order(turns: Turns[None], named: dict[Turn, str]) -> list[str]:
    """In which they are taken out."""
    taken = []
    while turns:
        taken.append(named[turns.popleft()])
    return taken


async def test_a_client_that_floods_waits_for_itself():
    """Who comes later with one request goes after one of each who was there."""
    turns = Turns[None]()
    names = await waiting(turns, "a1", "a2", "a3", "b1", "c1", "b2")

    assert turns.before("d") == 3
    assert turns.before("c") == 1 + 2 + 2
    assert order(turns, names) == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_one_client_is_served_as_it_comes():
    """As a queue."""
    turns = Turns[None]()
    names = await waiting(turns, "a1", "a2", "a3")

    assert turns.before("a") == 3
    assert order(turns, names) == ["a1", "a2", "a3"]
    assert turns.before("a") == 0


async def test_who_gives_up_is_in_nobody_s_way():
    """Also one that was taken out, and a client with nothing left."""
    turns = Turns[None]()
    names = await waiting(turns, "a1", "a2", "b1")
    of = {name: turn for turn, name in names.items()}
    first = turns.popleft()

    for client, turn in (("a", first), ("b", of["b1"]), ("c", first)):
        turns.remove(client, turn)

    assert order(turns, names) == ["a2"]
