"""Comparisons against toy gateways, run to the end in this process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from lab.comparison.analysis import AnalysisSettings
from lab.comparison.endpoint import Endpoint
from lab.comparison.experiment import RequestedArms
from lab.comparison.judge import Judge
from lab.comparison.prices import ModelPrice, Prices
from lab.comparison.rows import Row, read_rows
from lab.comparison.session import ComparisonResult, Session, Settings
from tests.fakes import FakeClock
from tests.lab.comparison.toy_gateway import BIG, SQL, TOOLS, ToyGateway, toy_rows

URL = "http://toy/v1"
GOOD = {
    BIG: {"sql": 0.3, "tools": 0.6, "general": 0.8},
    SQL: {"sql": 0.9},
    TOOLS: {"tools": 0.9},
}
"""Specialists that are far better than the generalist in their domains, and good for nothing
else."""
PRICES = Prices(
    models={
        BIG: ModelPrice(
            prompt_per_million_tokens=10, completion_per_million_tokens=10, machine_per_hour=4
        ),
        SQL: ModelPrice(
            prompt_per_million_tokens=1, completion_per_million_tokens=1, machine_per_hour=1
        ),
        TOOLS: ModelPrice(
            prompt_per_million_tokens=1, completion_per_million_tokens=1, machine_per_hour=1
        ),
    }
)


def rows_in(folder: Path, count: int = 20, *more: str) -> list[Row]:
    """Toy rows, `count` of each domain, and other lines."""
    path = folder / "set.jsonl"
    path.write_text("\n".join([*toy_rows(count), *more]), encoding="utf-8")
    return read_rows(path)


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Quick settings; results lie beside the rows."""
    terms = AnalysisSettings(
        margin=0.02, concurrency=4, seed=0, prices=PRICES, requests_per_hour=3600
    )
    return replace(Settings(folder, terms, warm_up=1), **changes)


async def compared(
    gateway: ToyGateway,
    rows: list[Row],
    settings: Settings,
    wanted: RequestedArms | None = None,
    judge: str | None = None,
) -> ComparisonResult:
    """A comparison with a toy gateway, whichever address is asked."""
    transport = httpx.ASGITransport(gateway.app())
    async with httpx.AsyncClient(transport=transport) as http:
        session = Session(rows, settings, http, FakeClock(), lambda _: None)
        return await session.compare(
            wanted or RequestedArms(Endpoint(URL)),
            judge and Judge(Endpoint("http://judge/v1"), judge),
        )
