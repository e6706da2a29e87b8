"""Complete runs against a toy gateway; Locust has its own process, as gevent and asyncio clash."""

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from tests.deployments.upstream import serving
from tests.lab.comparison.toy_gateway import BIG, ToyGateway

QUICK = {
    "about": "A test.",
    "seconds": 2,
    "arrivals": {"kind": "poisson", "rps": 12},
    "shares": {"sql": 1, "general": 1},
    "slos": {"failed_share": 0, "first_token_p95_seconds": 5},
}


def written(folder: Path, **changes) -> str:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(QUICK | changes))
    return str(path)


@asynccontextmanager
async def toy(**how):
    gateway = ToyGateway(**how)
    async with serving(gateway.app()) as port:
        yield gateway, f"http://127.0.0.1:{port}"


async def ran(*words: str) -> tuple[int, str]:
    """The exit code and the output of `python -m loadtests.traffic`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.traffic", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.slow
async def test_the_same_load_goes_to_the_baseline(tmp_path) -> None:
    """Both arms ask the same prompts at the same times; a table puts them side by side."""
    async with toy() as (gateway, url):
        code, said = await ran(
            written(tmp_path), *("--host", url, "--baseline", BIG, "--out", str(tmp_path / "out"))
        )

    assert code == 0, said
    asked = {
        model: sorted(
            body["messages"][0]["content"] for body in gateway.bodies if body["model"] == model
        )
        for model in ("auto", BIG)
    }
    assert asked["auto"] == asked[BIG]
    assert len(asked["auto"]) > 10
    table = (tmp_path / "out" / "summary.md").read_text()
    assert "| auto " in table and f"| {BIG} " in table  # noqa: PT018 - two columns of one table
    assert (tmp_path / "out" / "baseline" / "locust.html").stat().st_size > 10_000


@pytest.mark.slow
async def test_a_missed_target_sets_the_exit_code(tmp_path) -> None:
    """The report has the objective and the reason of the failures."""
    async with toy(refuses={BIG}) as (_, url):
        code, said = await ran(written(tmp_path), "--host", url, "--out", str(tmp_path / "out"))

    assert code == 1, said
    fields = json.loads((tmp_path / "out" / "auto" / "report.json").read_text())
    missed = [check["name"] for check in fields["checks"] if not check["met"]]
    assert "failed_share" in missed
    assert all(reason.startswith("HTTP 500: ") for reason in fields["all"]["reasons"])
    assert "failed_share" in said


@pytest.mark.slow
async def test_a_run_waits_until_a_slow_server_is_warmed_up(tmp_path) -> None:
    """However long that takes; then all that is due is asked."""
    async with toy(token_seconds=1.2) as (gateway, url):
        code, said = await ran(written(tmp_path), "--host", url, "--out", str(tmp_path / "out"))

    assert code == 0, said
    fields = json.loads((tmp_path / "out" / "auto" / "report.json").read_text())
    warm_up = 2
    assert fields["all"]["requests"] == len(gateway.bodies) - warm_up > 10


@pytest.mark.slow
async def test_readers_of_all_kinds_ask_from_several_processes(tmp_path) -> None:
    """What workers saw adds up at the master."""
    readers = {"slow": 0.3, "slow_pause_seconds": 0.01, "disconnecting": 0.3}
    readers["disconnect_after_seconds"] = [0.001, 0.02]
    scenario = written(
        tmp_path, arrivals={"kind": "closed", "clients": 4, "think_seconds": 0.05}, readers=readers
    )
    async with toy(token_seconds=0.01) as (gateway, url):
        code, said = await ran(
            scenario, *("--host", url, "--out", str(tmp_path / "out"), "--processes", "2")
        )

    assert code == 0, said
    fields = json.loads((tmp_path / "out" / "auto" / "report.json").read_text())
    assert set(fields["by_reader"]) == {"patient", "slow", "disconnecting"}
    assert fields["all"]["outcomes"]["disconnected"] > 0
    warm_up = 2
    # who leaves at once may not have been heard
    assert 0 <= fields["all"]["requests"] - (len(gateway.bodies) - warm_up) <= 5


@pytest.mark.slow
async def test_a_worker_leaves_the_comparison_to_its_master(tmp_path) -> None:
    """With a baseline both end well, and the master alone has the reports."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    scenario = written(tmp_path)
    async with toy() as (_, url):
        common = (scenario, "--host", url, "--baseline", BIG)
        worker = asyncio.create_task(
            ran(*common, "--out", str(tmp_path / "w"), "--worker", "--master-port", port)
        )
        master = await ran(
            *common, *("--out", str(tmp_path / "m"), "--master", "--master-bind-port", port)
        )
        ended = await worker

    assert (master[0], ended[0]) == (0, 0), (master[1], ended[1])
    assert (tmp_path / "m" / "summary.md").exists()
    assert not (tmp_path / "w" / "summary.md").exists()


async def test_an_invalid_scenario_is_reported_in_a_line(tmp_path) -> None:
    """Before anything is started."""
    code, said = await ran(written(tmp_path, seconds=-1), "--out", str(tmp_path / "out"))

    assert code == 2
    assert said.startswith("loadtests: ")
    assert said.count("\n") == 1
