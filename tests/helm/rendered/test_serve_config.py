"""`serveConfigV2`: Ray Serve takes it, and it is the same stack as `niche.yaml`."""

import json
from pathlib import Path
from typing import Any

from ray.serve.schema import ServeDeploySchema

from cli.main import main
from deployments.builder import serve_options
from deployments.engine import EngineContext
from deployments.spec import LIVE_ENGINES, ModelSpec
from gateway.classifier import CLASSIFIER, ROUTER_APP, classifier_options
from gateway.config import NicheConfig
from gateway.config_file import load_config, parse_config
from gateway.ingress import GATEWAY_APP, GatewayContext, build_gateway
from gateway.serve_app import GatewayArguments, PoolArguments, classifier, gateway, pool
from tests.helm.documents import ROOT
from tests.helm.rendered.charts import Rendered, changed, everywhere, rendered

BUILDERS = {
    "gateway.serve_app:pool": (pool, PoolArguments),
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


def test_serve_takes_the_configuration():
    """Ray Serve's own schema accepts it."""
    for values, chart in everywhere():
        assert ServeDeploySchema.model_validate(chart.serve_config).applications, values


def test_the_check_accepts_the_configuration(tmp_path, monkeypatch):
    """The init container's command finds nothing, wherever the image holds the artifact. Variables
    come from the values' Secrets."""
    monkeypatch.setenv("NICHE_REDIS_URL", "redis://redis:6379")
    for values, chart in everywhere():
        if chart.niche.get("router", {}).get("artifact", "default") == "default":
            path = tmp_path / f"{values}.yaml"
            path.write_text(chart.one("ConfigMap", chart.name)["data"]["niche.yaml"])
            assert main(["config", "check", "--elsewhere", "--config", str(path)]) == 0, values


def test_there_is_an_application_per_part():
    """As on one machine: each pool of models, the classifier where it is apart, the gateway at the
    root."""
    for values, chart in everywhere():
        config = _config(chart)
        parts = [of.app_name for of in config.pools]
        parts += [ROUTER_APP] if config.router.deployment else []
        routes = {name: app["route_prefix"] for name, app in _apps(chart).items()}

        assert routes == dict.fromkeys(parts) | {GATEWAY_APP: "/"}, values


def test_a_stack_of_upstreams_is_its_gateway():
    """Where every model is behind a server, Serve runs the gateway alone."""
    assert list(_apps(rendered("values-gpu-vllm"))) == [GATEWAY_APP]
    assert list(_apps(rendered("model-servers"))) == ["model-sql", GATEWAY_APP]


def test_the_builders_take_their_arguments():
    """Every application's builder exists and its arguments are valid."""
    for _values, chart in everywhere():
        for app in _apps(chart).values():
            _builder, arguments = BUILDERS[app["import_path"]]
            arguments.model_validate(app["args"])


def test_models_share_what_they_share_on_one_machine():
    """Grouped by base, by name, and alone."""
    assert list(_apps(rendered("pools"))) == [
        *("model-generalist", "pool-org-base", "pool-org-base-2", "pool-experts"),
        *("model-support-alone", GATEWAY_APP),
    ]


def test_a_model_is_what_the_configuration_says():
    """An application's models are those of `niche.yaml`, but for what they need not restart for."""
    defaults = ModelSpec(name="x", model="x")
    later = dict.fromkeys(("replicas", "autoscaling", "limits", "price", "domain"))
    later = {key: getattr(defaults, key) for key in later}
    for values, chart in everywhere():
        apps = _apps(chart)
        for of in _config(chart).pools:
            app = apps[of.app_name]
            told = app["args"] | _deployment(app).get("user_config", {})
            given = PoolArguments.model_validate(told)
            wanted = tuple(spec.model_copy(update=later) for spec in of.models)
            assert (given.name, given.models) == (of.name, wanted), values


def test_models_of_a_live_engine_come_and_go_without_other_replicas():
    """What a process is started as stays the same; the first adapter needs another, with room."""
    specialists = rendered("vllm").niche["specialists"]
    first = specialists[0]
    options = first["engine_options"] | {"default_temperature": 1}
    added = first | {"name": "numbers", "domain": "biomed", "engine_options": options}
    bare = [{key: of[key] for key in of.keys() - {"adapter"}} for of in specialists]
    before, more, none = (
        _apps(changed("vllm", f"niche.specialists={json.dumps(given)}"))["pool-org-base"]
        for given in (specialists, [added, *specialists], bare)
    )
    told = [model["name"] for model in _deployment(more).pop("user_config")["models"]]
    _deployment(before).pop("user_config")

    assert before == more
    assert told == ["numbers", "sql", "tools"]
    assert before["args"] != none["args"]


def test_live_engines_are_those_of_the_project():
    """The chart knows by itself which engines these are; `fake` is for tests."""
    live = {
        of.basis.engine
        for _values, chart in everywhere()
        for of in _config(chart).pools
        if "user_config" in _deployment(_apps(chart)[of.app_name])
    }

    assert live == LIVE_ENGINES - {"fake"}


def test_a_pool_gets_the_options_of_one_machine():
    """Replicas, limits and resources are those that `deployments/builder.py` would ask for."""
    for values, chart in everywhere():
        apps = _apps(chart)
        for of in _config(chart).pools:
            drain = _config(chart).gateway.drain_seconds
            wanted, said = serve_options(of, drain), _deployment(apps[of.app_name])
            said.pop("placement_group_bundle_label_selector", None)  # where it is to be
            said.pop("user_config", None)
            assert _placed(said.pop("ray_actor_options")) == wanted["ray_actor_options"], values
            assert said == {key: wanted.get(key) for key in said}, values
            assert {"num_replicas", "autoscaling_config"} & set(wanted) <= set(said), values


def test_the_gateway_gets_the_options_of_one_machine():
    """It has the whole configuration, and the replicas and resources of `gateway/ingress.py`."""
    for values, chart in everywhere():
        app = _apps(chart)[GATEWAY_APP]
        arguments = GatewayArguments.model_validate(app["args"])
        context = GatewayContext(EngineContext(arguments.cache_dir), arguments.metrics_dir)
        built = build_gateway(arguments.config, context)
        wanted = built._bound_deployment  # Serve shows it nowhere else
        said = _deployment(app)

        assert app["args"]["config"] == chart.niche, values
        assert said["name"] == wanted.name
        assert said["num_replicas"] == wanted.num_replicas, values
        seconds = said["graceful_shutdown_timeout_s"]
        assert seconds == wanted._deployment_config.graceful_shutdown_timeout_s, values
        assert chart.serve_config["http_options"]["request_timeout_s"] == seconds, values
        assert _placed(said["ray_actor_options"]) == wanted.ray_actor_options, values


def test_the_classifier_gets_the_options_of_one_machine():
    """Its resources are those that `gateway/classifier.py` would ask for."""
    app = _apps(rendered("classifier"))[ROUTER_APP]
    arguments = GatewayArguments.model_validate(app["args"])
    assert arguments.config.router.deployment is not None
    wanted = classifier_options(
        arguments.config, arguments.config.router.deployment, arguments.metrics_dir
    )

    assert _deployment(app)["name"] == CLASSIFIER
    assert _placed(_deployment(app)["ray_actor_options"]) == wanted["ray_actor_options"]


def test_a_change_beside_it_leaves_the_classifier_alone():
    """The classifier's application does not name specialists, comparisons and logs."""
    config = _apps(rendered("classifier"))[ROUTER_APP]["args"]["config"]

    assert {"specialists", "observability"}.isdisjoint(config)
    assert {"shadow", "api_keys_file"}.isdisjoint(config["gateway"])


def test_replicas_find_their_group():
    """A replica that is placed asks for a label that a worker group has; the gateway's is."""
    for values, chart in everywhere():
        labels = [group["labels"] for group in chart.groups.values()]
        wanted = {name: _wanted_labels(_deployment(app)) for name, app in _apps(chart).items()}

        assert [it for it in wanted.values() if it and it not in labels] == [], values
        assert wanted[GATEWAY_APP], values


def _wanted_labels(deployment: dict[str, Any]) -> dict[str, str] | None:
    """Those of the node of a replica, or of all bundles where it has several GPUs."""
    options = deployment["ray_actor_options"]
    if "placement_group_bundles" not in deployment:
        return options.get("label_selector")
    [of_bundles] = deployment["placement_group_bundle_label_selector"]
    assert "label_selector" not in options
    return of_bundles


def test_several_gpus_are_reserved_together():
    """A bundle for each GPU: in one pod, or on several where a model has stages."""
    apps = _apps(rendered("vllm"))
    large, long = (_deployment(apps[name]) for name in ("model-generalist", "pool-org-long"))

    assert large["placement_group_bundles"] == [{"CPU": 2, "GPU": 1}, {"GPU": 1}]
    assert large["placement_group_strategy"] == "STRICT_PACK"
    assert long["placement_group_bundles"] == [{"CPU": 0.5, "GPU": 1}, {"GPU": 1}]
    assert long["placement_group_strategy"] == "PACK"
    assert {it["ray_actor_options"]["num_gpus"] for it in (large, long)} == {0}
    assert _wanted_labels(long) == {"niche-group": "one"}
    assert "placement_group_bundles" not in _deployment(apps["pool-org-base"])


def test_the_default_is_the_project_s():
    """Where the values say nothing of models, they are those of the project's `niche.yaml`."""
    chart, project = _config(rendered("defaults")), load_config(ROOT / "niche.yaml")

    assert chart.models == project.models
    assert chart.gateway.replicas == project.gateway.replicas


def test_the_paths_are_mounted():
    """Model files, keys, artifact, metrics and what is written lie where the gateway looks."""
    for values, chart in everywhere():
        app = _apps(chart)[GATEWAY_APP]
        group = _deployment(app)["ray_actor_options"]["label_selector"]["niche-group"]
        container = chart.ray_pods[group]["spec"]["containers"][0]
        mounts = {Path(mount["mountPath"]) for mount in container["volumeMounts"]}
        config = _config(chart)
        files = [
            config.gateway.api_keys_file,
            config.gateway.shadow and config.gateway.shadow.path,
            config.observability.decision_log and config.observability.decision_log.path,
        ]
        folders = [app["args"]["cache_dir"], app["args"].get("metrics_dir")]
        folders += [config.router.artifact] if config.router.artifact != "default" else []

        assert {Path(it) for it in folders if it} <= mounts, values
        assert {Path(it).parent for it in files if it} <= mounts, values
