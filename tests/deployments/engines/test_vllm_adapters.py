"""Adapters come while a process answers, and go after their last request. Without vLLM."""

import asyncio
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from deployments.engines._vllm_adapters import BASE, Adapters, Room
from deployments.models.adapters import Adapter
from deployments.models.errors import ModelError, UnusableModels

ROOM = Room(places=3, places_key="max_loras", rank=16)

Make = Callable[..., Adapter]


class FakeHost:
    """A process that notes what is loaded, and cannot use some."""

    def __init__(self) -> None:
        self.loaded: dict[str, Path] = {}
        self.names: list[str] = []
        self.broken: set[Path] = set()

    async def load_adapter(self, name: str, path: Path) -> None:
        await asyncio.sleep(0)
        if path in self.broken:
            raise ModelError(f"cannot load {path}")
        self.loaded[name] = path
        self.names.append(name)

    async def unload_adapter(self, name: str) -> None:
        del self.loaded[name]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(name: str, *, content: str = "a", rank: int = 8) -> Adapter:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps({"r": rank}))
        card = {"niche": name, "base": "m", "system_prompt": "", "sha256": content * 64}
        return Adapter(path=folder, **card)

    return made


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def adapters(host: FakeHost) -> Adapters:
    return Adapters(host, ROOM)


async def turns(count: int = 5) -> None:
    """Lets other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


def paths(host: FakeHost) -> list[str]:
    return sorted(path.name for path in host.loaded.values())


async def test_what_is_new_is_loaded(host, adapters, make) -> None:
    """Once: models of the same adapter share it, and what was there stays under its name."""
    sql, math = make("sql"), make("math")
    first = await adapters.follow({"big": None, "sql": sql})
    second = await adapters.follow({"big": None, "sql": sql, "again": sql, "math": math})

    assert paths(host) == ["math", "sql"]
    assert second["sql"] is second["again"] is first["sql"]
    assert host.loaded[second["math"].name] == math.path
    assert second["big"].name == BASE


async def test_what_leaves_stays_until_its_requests_end(host, adapters, make) -> None:
    """And no longer."""
    served = (await adapters.follow({"sql": make("sql"), "math": make("math")}))["math"]
    with ExitStack() as first, served.used():
        first.enter_context(served.used())
        await adapters.follow({"sql": make("sql")})
        first.close()
        await turns()
        assert paths(host) == ["math", "sql"]
    await turns()

    assert paths(host) == ["sql"]


async def test_an_adapter_of_other_weights_is_another(host, adapters, make) -> None:
    """Also at the same place, and no name comes twice: what was read with one is not for others."""
    before = (await adapters.follow({"sql": make("sql")}))["sql"]
    with before.used():
        after = (await adapters.follow({"sql": make("sql", content="b")}))["sql"]
        assert set(host.loaded) == {before.name, after.name}
    await turns()
    assert set(host.loaded) == {after.name}

    await adapters.follow({})
    await turns()
    await adapters.follow({"sql": make("sql")})
    assert len(set(host.names)) == len(host.names) == 3


@pytest.mark.parametrize(
    ("ranks", "error", "named"),
    [((8, 8, 8), ValueError, "max_loras"), ((32,), UnusableModels, "max_lora_rank")],
    ids=["too many", "too large"],
)
async def test_what_does_not_fit_is_refused_by_name(
    host, adapters, make, ranks, error, named
) -> None:
    """Before anything is loaded; what was there stays."""
    served = await adapters.follow({"sql": make("sql")})
    more = {f"m{place}": make(f"m{place}", rank=rank) for place, rank in enumerate(ranks)}
    with pytest.raises(error, match=rf"engine_options\.{named}:"):
        await adapters.follow({"sql": make("sql")} | more)

    assert paths(host) == ["sql"]
    assert await adapters.follow({"sql": make("sql")}) == served


async def test_one_that_still_answers_has_its_place(host, adapters, make) -> None:
    """A process never holds more than it has places for."""
    served = await adapters.follow({name: make(name) for name in ("a", "b", "c")})
    with served["a"].used():
        await adapters.follow({name: make(name) for name in ("b", "c")})
        with pytest.raises(ValueError, match="max_loras"):
            await adapters.follow({name: make(name) for name in ("b", "c", "d")})
    await turns()
    await adapters.follow({name: make(name) for name in ("b", "c", "d")})

    assert paths(host) == ["b", "c", "d"]


async def test_the_models_at_fault_are_named(host, adapters, make) -> None:
    """All of them, so that the others can be served without them."""
    small, large, broken = make("small"), make("large", rank=32), make("broken")
    host.broken.add(broken.path)
    wanted = {"big": None, "small": small, "first": broken, "second": broken}

    with pytest.raises(UnusableModels) as too_large:
        await adapters.follow(wanted | {"large": large})
    with pytest.raises(UnusableModels) as unloadable:
        await adapters.follow(wanted)

    assert set(too_large.value.reasons) == {"large"}
    assert set(unloadable.value.reasons) == {"first", "second"}


async def test_one_that_cannot_be_used_leaves_all_as_it_was(host, adapters, make) -> None:
    """What was loaded with it goes again, and a later one comes."""
    served = await adapters.follow({"sql": make("sql")})
    broken = make("broken")
    host.broken.add(broken.path)
    with pytest.raises(ModelError):
        await adapters.follow({"sql": make("sql"), "math": make("math"), "broken": broken})
    await turns()

    assert paths(host) == ["sql"]
    host.broken.clear()
    assert (await adapters.follow({"sql": make("sql"), "broken": broken}))["sql"] is served["sql"]
