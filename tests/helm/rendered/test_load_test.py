"""The load test's Jobs: what they run is the project's own command, and it runs."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.upstream import serving
from tests.gateway.stacks import make_gateway
from tests.helm.documents import ROOT
from tests.helm.rendered.charts import Rendered, changed, everywhere, rendered

VALUES_OF_IT = "load-test"
WRITTEN = {"/tmp", "/home/niche"}


def _with(*changes: str) -> Rendered:
    return changed(VALUES_OF_IT, *changes)


def _jobs(chart: Rendered) -> dict[str, dict[str, Any]]:
    return {job["metadata"]["labels"]["app.kubernetes.io/component"]: job for job in _all(chart)}


def _all(chart: Rendered) -> list[dict[str, Any]]:
    return chart.all("Job")


def _container(job: dict[str, Any]) -> dict[str, Any]:
    [container] = job["spec"]["template"]["spec"]["containers"]
    return container


def test_nothing_is_loaded_unasked():
    """Without `loadTest.enabled` there is neither a Job nor a mention of one."""
    for values, chart in everywhere():
        if values != VALUES_OF_IT:
            assert _all(chart) == [], values
            assert "load-test" not in json.dumps(chart.objects), values


def test_one_pod_asks_alone():
    """Without workers there is one Job, and no service for Locust's port."""
    chart = _with("loadTest.workers=0")

    [job] = _all(chart)
    assert "--master" not in json.dumps(job)
    assert chart.all("Service") == []


def test_workers_find_their_master():
    """As many workers as the master waits for come to the service that selects it alone."""
    chart = rendered(VALUES_OF_IT)
    jobs = _jobs(chart)
    master, workers = jobs["load-test"], jobs["load-worker"]
    service = chart.one("Service", master["metadata"]["name"])

    assert (workers["spec"]["completions"], workers["spec"]["parallelism"]) == (3, 3)
    assert "--expect-workers 3" in _container(master)["command"][2]
    assert chart.selected({"matchLabels": service["spec"]["selector"]}) == {
        master["metadata"]["name"]
    }
    assert [port["port"] for port in service["spec"]["ports"]] == [5557]
    environment = {it["name"]: it.get("value") for it in _container(workers)["env"]}
    assert environment["MASTER"] == service["metadata"]["name"]
    assert _container(master)["args"] == _container(workers)["args"]


def test_it_asks_the_chart_s_service():
    """Unless another host is named."""
    chart, other = rendered(VALUES_OF_IT), _with('loadTest.host="https://niche.example/"')
    service = chart.service["serveService"]["metadata"]["name"]

    assert f"http://{service}:8000" in _container(_all(chart)[0])["args"]
    assert "https://niche.example" in _container(_all(other)[0])["args"]


def test_it_writes_to_memory_that_ends_with_it():
    """Its root is read-only, and what it may write is an emptyDir of its own."""
    for job in _all(rendered(VALUES_OF_IT)):
        spec = job["spec"]["template"]["spec"]
        assert all("emptyDir" in volume for volume in spec["volumes"])
        assert {mount["mountPath"] for mount in _container(job)["volumeMounts"]} == WRITTEN
        assert (spec["restartPolicy"], job["spec"]["backoffLimit"]) == ("Never", 0)
        assert job["spec"]["activeDeadlineSeconds"] == 10800


def test_the_key_comes_from_its_secret():
    """The key is read from the gateway's own secret, and is no argument."""
    container = _container(_all(rendered(VALUES_OF_IT))[0])
    [keys] = [it for it in container["env"] if it["name"] == "KEYS"]

    assert keys["valueFrom"]["secretKeyRef"] == {"name": "niche-keys", "key": "keys"}
    assert container["args"][5:7] == ["--api-key-env", "NICHE_KEY"]


@pytest.mark.parametrize("line", ["a-key", "grader a-key", "operator a-key"])
def test_the_key_is_that_of_the_first_line(line):
    """Without what the line says that the key may do."""
    script = _container(_all(rendered(VALUES_OF_IT))[0])["command"][2]
    upto = script[: script.index("export NICHE_KEY")]
    command = ["bash", "-euc", f'{upto} printf %s "$NICHE_KEY"']
    environment = {"KEYS": f"{line}\nanother\n"}

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "a-key"


@pytest.mark.parametrize(
    "change",
    [
        'loadTest.revision="again"',
        'loadTest.scenario="soak"',
        'image.tag="v9"',
        'commonLabels={"team":"a"}',
    ],
)
def test_another_run_is_another_job(change):
    """A Job cannot be changed, so what changes its pods changes its name."""
    before, after = rendered(VALUES_OF_IT), _with(change)
    names = [{job["metadata"]["name"] for job in _all(chart)} for chart in (before, after)]

    assert names[0].isdisjoint(names[1])
    assert before.one("Service") != after.one("Service")


def test_other_changes_run_nothing_again():
    """A change of the stack leaves a load test that has run alone."""
    after = _with("workerGroupDefaults.maxReplicas=7")

    assert _all(after) == _all(rendered(VALUES_OF_IT))


def test_only_its_own_pods_reach_it():
    """Locust asks for no key: its pods are open to each other alone."""
    chart = rendered(VALUES_OF_IT)
    own = {job["metadata"]["name"] for job in _all(chart)}
    [policy] = [
        it["spec"]
        for it in chart.all("NetworkPolicy")
        if chart.selected(it["spec"]["podSelector"]) == own
    ]

    [rule] = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == [5557]
    assert [chart.selected(peer["podSelector"]) for peer in rule["from"]] == [own]


def _command(job: dict[str, Any], out: Path) -> tuple[list[str], dict[str, str]]:
    """What a Job's container runs, and its environment, with another folder for its results."""
    container = _container(job)
    words = [word.replace("/tmp/load", str(out)) for word in container["command"]]
    words += [word.replace("/tmp/load", str(out)) for word in container["args"]]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    named = {it["name"]: it["value"] for it in container["env"] if it["name"] == "URL"}
    return words, {**os.environ, "PATH": path, **named}


@pytest.mark.slow
async def test_the_job_loads_a_gateway(tmp_path):
    """Its command waits for the gateway, asks, ends with the report, and with its exit code."""
    async with serving(make_gateway().app) as port:
        chart = _with(
            f'loadTest.host="http://127.0.0.1:{port}"',
            'loadTest.scenario="mixed"',
            'loadTest.args=["--seconds","2","--times","10","--warm-up","0"]',
            "loadTest.workers=0",
            'apiKeys.existingSecret=""',
        )
        [job] = _all(chart)
        words, environment = _command(job, tmp_path)
        done = await asyncio.to_thread(
            subprocess.run, words, env=environment, cwd=ROOT, capture_output=True, text=True
        )

    assert done.returncode == 0, done.stdout + done.stderr
    report = done.stdout.split("report.json\n")[-1]
    assert json.loads(report)["all"]["requests"] > 0
