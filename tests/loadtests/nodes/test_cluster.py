"""When Serve has what it should have."""

from typing import Any

import pytest

from loadtests.nodes.cluster import unsettled

CONFIG = {
    "applications": [{"name": "gateway", "deployments": [{"name": "edge", "num_replicas": 2}]}]
}


def status(*states: str, app: str = "RUNNING", deployment: str = "HEALTHY") -> dict[str, Any]:
    replicas = [{"state": state} for state in states]
    edge = {"status": deployment, "replicas": replicas}
    return {"applications": {"gateway": {"status": app, "deployments": {"edge": edge}}}}


def test_it_has_as_many_as_it_should():
    assert unsettled(CONFIG, status("RUNNING", "RUNNING")) is None


@pytest.mark.parametrize(
    "found",
    [
        status("RUNNING"),
        status("RUNNING", "RUNNING", "STOPPING"),
        status("RUNNING", "STARTING"),
        status("RUNNING", "RUNNING", app="DEPLOYING"),
        status("RUNNING", "RUNNING", deployment="UPDATING"),
        {"applications": {"gateway": {"status": "DEPLOYING", "deployments": {}}}},
    ],
    ids=["too few", "an old one", "one that starts", "deploying", "updating", "nothing"],
)
def test_it_names_what_is_not_there_yet(found):
    assert "gateway" in str(unsettled(CONFIG, found))
