"""What the gateway writes: where it lies, who shares it, and what is refused."""

from typing import Any

import pytest

from tests.helm.rendered.charts import Rendered, changed, containers, everywhere, rendered


def _writing(chart: Rendered) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The volume and the mount of the state, by worker group; only Ray's container may have it."""
    found = {}
    for name, group in chart.groups.items():
        spec = group["template"]["spec"]
        volumes = [it for it in spec["volumes"] if it["name"] == "state"]
        mounts = [it for it in spec["containers"][0]["volumeMounts"] if it["name"] == "state"]
        if volumes or mounts:
            found[name] = (volumes[0], mounts[0])
    return found


def test_only_the_gateway_s_group_writes():
    """The gateway's group has the volume, writable, and no other has it."""
    for values, chart in everywhere():
        app = chart.serve_config["applications"][-1]
        group = app["deployments"][0]["ray_actor_options"]["label_selector"]["niche-group"]
        writing = _writing(chart)

        assert set(writing) == {group}, values
        assert "readOnly" not in writing[group][1], values


def test_evidence_and_decisions_have_a_place_by_themselves():
    """Sections that name no path get one on the volume."""
    config = rendered("state").niche

    assert config["gateway"]["shadow"] == {
        "sample_ratio": 0.1,
        "path": "/var/lib/niche/evidence.db",
    }
    assert config["observability"]["decision_log"]["path"] == "/var/lib/niche/decisions.jsonl"


def test_stored_responses_have_a_place_too():
    """A file on the volume, unless they are in a Redis."""
    config = changed("state", "niche.gateway.response_store.max_age_hours=1").niche

    assert config["gateway"]["response_store"] == {
        "max_age_hours": 1,
        "path": "/var/lib/niche/responses.db",
    }
    in_redis = rendered("response-store").niche["gateway"]["response_store"]
    assert in_redis == {"redis_url_env": "NICHE_REDIS_URL", "max_age_hours": 48}


def test_the_redis_is_known_where_the_gateway_runs():
    """To the gateway, and to the check of its configuration; the URL itself is in the Secret."""
    chart = rendered("response-store")
    names = {"check-config", "ray-worker"}
    found = {
        part["name"]: [it for it in part["env"] if it["name"] == "NICHE_REDIS_URL"]
        for part in containers(chart.groups["cpu"]["template"])
        if part["name"] in names
    }

    secret = {"secretKeyRef": {"name": "redis", "key": "url"}}
    expected = [{"name": "NICHE_REDIS_URL", "valueFrom": secret}]
    assert found == dict.fromkeys(names, expected)


def test_without_persistence_it_is_bounded():
    """An emptyDir, so that a log that nobody rotates does not fill the node."""
    [(volume, _mount)] = _writing(rendered("defaults")).values()

    assert volume["emptyDir"] == {"sizeLimit": "2Gi"}


@pytest.mark.parametrize("values", ["state", "state-each"])
def test_a_persistent_state_outlives_the_release(values):
    """The claim is kept, and the gateway's pods mount it."""
    chart = rendered(values)
    claim = chart.one("PersistentVolumeClaim", f"{chart.name}-state")
    [(volume, _mount)] = _writing(chart).values()

    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_pods_that_share_a_file_share_a_node():
    """SQLite's file is of one node: pods go where one of them is, and where they were to go."""
    chart = rendered("state")
    affinity = chart.groups["edge"]["template"]["spec"]["affinity"]
    [term] = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]

    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert chart.selected(term["labelSelector"]) == {"edge"}
    assert "nodeAffinity" in affinity
    assert "affinity" not in chart.groups["cpu"]["template"]["spec"]


def test_pods_on_several_nodes_have_a_directory_each():
    """Lines of several nodes in one file would overwrite each other."""
    chart = rendered("state-each")
    spec = chart.groups["cpu"]["template"]["spec"]
    [(_volume, mount)] = _writing(chart).values()
    environment = {it["name"]: it for it in spec["containers"][0]["env"]}

    assert mount["subPathExpr"] == "$(POD_NAME)"
    assert environment["POD_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert "affinity" not in spec
