"""`serveConfigV2`: Ray Serve takes it, and it is the same stack as `niche.yaml`."""

from pathlib import Path
from typing import Any

import pytest
from ray.serve.schema import ServeDeploySchema

from deployments.builder import serve_options
from deployments.engine import EngineContext
from deployments.spec import ModelSpec
from gateway.classifier import CLASSIFIER, ROUTER_APP, classifier_options
from gateway.config import NicheConfig, load_config, parse_config
from gateway.ingress import GATEWAY_APP, GatewayContext, build_gateway
from gateway.routing import load_policy
from gateway.serve_app import GatewayArguments, ModelArguments, classifier, gateway, model
from tests.helm.charts import VALUES, Rendered, rendered
from tests.helm.documents import ROOT
from tests.helm.marks import needs_helm

pytestmark = [needs_helm, pytest.mark.parametrize("values", VALUES)]

BUILDERS = {
    "gateway.serve_app:model": (model, ModelArguments),
    "gateway.serve_app:gateway": (gateway, GatewayArguments),
    "gateway.serve_app:classifier": (classifier, GatewayArguments),
}


def _config(chart: Rendered) -> NicheConfig:
    return parse_config(chart.niche, "niche.yaml")


def _apps(chart: Rendered) -> dict[str, dict[str, Any]]:
    return {app["name"]: app for app in chart.serve_config["applications"]}


def _deployment(app: dict[str, Any]) -> dict[str, Any]:
    [deployment] = app["deployments"]
    return deployment


def _placed(options: dict[str, Any]) -> dict[str, Any]:
    """Actor options without where the actor is to be."""
    return {key: value for key, value in options.items() if key != "label_selector"}


def test_serve_takes_the_configuration(values):
    """Ray Serve's own schema loads it."""
    schema = ServeDeploySchema.model_validate(rendered(values).serve_config)

    assert schema.applications


def test_the_configuration_is_valid(values):
    """The content of `niche.yaml` has no fault."""
    assert _config(rendered(values)).generalist.name


def test_the_gateway_can_decide(values):
    """A gateway with the included artifact makes its router of the configuration, and so starts."""
    config = _config(rendered(values))

    if config.router.artifact == "default":
        assert load_policy(config)


def test_there_is_an_application_per_part(values):
    """As on one machine: each model, the classifier where it is apart, the gateway at the root."""
    chart = rendered(values)
    config = _config(chart)
    parts = [spec.app_name for spec in config.models]
    parts += [ROUTER_APP] if config.router.deployment else []
    routes = {name: app["route_prefix"] for name, app in _apps(chart).items()}

    assert list(routes) == [*parts, GATEWAY_APP]
    assert routes == dict.fromkeys(parts) | {GATEWAY_APP: "/"}


def test_the_builders_take_their_arguments(values):
    """Every application's builder exists and its arguments are valid."""
    for app in rendered(values).serve_config["applications"]:
        _builder, arguments = BUILDERS[app["import_path"]]
        arguments.model_validate(app["args"])


def test_a_model_is_what_the_configuration_says(values):
    """An application's model is that of `niche.yaml`, but for what it need not restart for."""
    chart = rendered(values)
    apps = _apps(chart)
    defaults = ModelSpec(name="x", model="x")
    later = dict.fromkeys(("replicas", "autoscaling", "limits", "price", "domain"))
    later = {key: getattr(defaults, key) for key in later}

    for spec in _config(chart).models:
        given = ModelArguments.model_validate(apps[spec.app_name]["args"]).spec
        assert given == spec.model_copy(update=later)


def test_a_model_gets_the_options_of_one_machine(values):
    """Replicas, limits and resources are those that `deployments/builder.py` would ask for."""
    chart = rendered(values)
    apps = _apps(chart)

    for spec in _config(chart).models:
        wanted, said = serve_options(spec), _deployment(apps[spec.app_name])
        assert _placed(said.pop("ray_actor_options")) == wanted["ray_actor_options"]
        assert said == {key: wanted.get(key) for key in said}
        assert {"num_replicas", "autoscaling_config"} & set(wanted) <= set(said)


def test_the_gateway_has_the_whole_configuration(values):
    """What the gateway is told is what `niche.yaml` says."""
    chart = rendered(values)

    assert _apps(chart)[GATEWAY_APP]["args"]["config"] == chart.niche


def test_the_gateway_gets_the_options_of_one_machine(values):
    """Its replicas and resources are those that `gateway/ingress.py` would ask for."""
    chart = rendered(values)
    app = _apps(chart)[GATEWAY_APP]
    arguments = GatewayArguments.model_validate(app["args"])
    context = GatewayContext(EngineContext(arguments.cache_dir), arguments.metrics_dir)
    wanted = build_gateway(_config(chart), context)._bound_deployment  # Serve shows it nowhere else
    said = _deployment(app)

    assert said["name"] == wanted.name
    assert said["num_replicas"] == wanted.num_replicas
    assert _placed(said["ray_actor_options"]) == wanted.ray_actor_options


def test_a_change_beside_it_leaves_the_classifier_alone(values):
    """The classifier's application is told nothing of specialists, comparisons and what is kept."""
    app = _apps(rendered(values)).get(ROUTER_APP)
    config = app["args"]["config"] if app else {}

    assert {"specialists", "observability"}.isdisjoint(config)
    assert {"shadow", "api_keys_file"}.isdisjoint(config.get("gateway", {}))


def test_the_classifier_gets_the_options_of_one_machine(values):
    """Its resources are those that `gateway/classifier.py` would ask for."""
    app = _apps(rendered(values)).get(ROUTER_APP)
    if app is None:
        assert _config(rendered(values)).router.deployment is None
        return
    arguments = GatewayArguments.model_validate(app["args"])
    apart = arguments.config.router.deployment
    assert apart is not None
    wanted = classifier_options(arguments.config, apart, arguments.metrics_dir)

    assert _deployment(app)["name"] == CLASSIFIER
    assert _placed(_deployment(app)["ray_actor_options"]) == wanted["ray_actor_options"]


def test_replicas_find_their_group(values):
    """A replica that is placed asks for a label that a worker group has."""
    chart = rendered(values)
    labels = [group["labels"] for group in chart.groups.values()]
    wanted = [
        deployment["ray_actor_options"].get("label_selector")
        for app in chart.serve_config["applications"]
        for deployment in app["deployments"]
    ]

    assert [selector for selector in wanted if selector and selector not in labels] == []
    assert _deployment(_apps(chart)[GATEWAY_APP])["ray_actor_options"]["label_selector"]


def test_what_is_not_said_is_the_project_s(values):
    """Where the values say nothing of models, they are those of the project's `niche.yaml`."""
    said = VALUES[values].read_text(encoding="utf-8")
    chart = _config(rendered(values))
    project = load_config(ROOT / "niche.yaml")

    assert (chart.models == project.models) or "\nniche:\n" in f"\n{said}"
    assert (chart.gateway.replicas == project.gateway.replicas) or "replicas:" in said


def test_the_paths_are_mounted(values):
    """Model files, keys, artifact and metrics lie where the applications look."""
    chart = rendered(values)
    group = _deployment(_apps(chart)[GATEWAY_APP])["ray_actor_options"]["label_selector"]
    [container] = [
        it["template"]["spec"]["containers"][0]
        for it in chart.groups.values()
        if it["labels"] == group
    ]
    mounts = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
    arguments = _apps(chart)[GATEWAY_APP]["args"]
    keys = arguments["config"]["gateway"].get("api_keys_file")
    observed = arguments["config"].get("observability", {})
    written = [arguments["config"]["gateway"].get("shadow"), observed.get("decision_log")]
    artifact = arguments["config"].get("router", {}).get("artifact", "default")

    assert Path(arguments["cache_dir"]) in mounts
    assert "metrics_dir" not in arguments or Path(arguments["metrics_dir"]) in mounts
    assert keys is None or Path(keys).parent in mounts
    assert {Path(part["path"]).parent for part in written if part} <= mounts
    assert artifact == "default" or Path(artifact) in mounts
