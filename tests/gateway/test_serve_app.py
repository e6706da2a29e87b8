"""`gateway.serve_app`: a Serve configuration's applications are those that `niche serve` starts."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as build

from deployments.engine import EngineContext
from deployments.server import ServedModelServer
from gateway.classifier import CLASSIFIER
from gateway.config import ConfigError
from gateway.ingress import GATEWAY_APP
from gateway.serve_app import classifier, gateway, pool

SPEC = {"name": "big", "model": "none", "engine": "fake"}
CONFIG = {"generalist": SPEC}
APART = {"generalist": SPEC, "router": {"deployment": {"replicas": 3}}}


def test_a_pool_is_built_from_its_models():
    """The application runs the plain class with the validated specs and the cache."""
    arguments = {"name": "none", "models": [SPEC, SPEC | {"name": "sql"}], "cache_dir": "/models"}

    deployment = build(pool, arguments)._bound_deployment

    specs, context = deployment.init_args
    assert deployment.func_or_class is ServedModelServer
    assert (deployment.name, [spec.name for spec in specs]) == ("none", ["big", "sql"])
    assert context == EngineContext(Path("/models"))


def test_the_gateway_is_built_from_the_configuration():
    """The gateway's application gets the validated configuration, the cache and its metrics."""
    arguments = {"config": CONFIG, "cache_dir": "/models", "metrics_dir": "/metrics"}

    deployment = build(gateway, arguments)._bound_deployment

    config, context = deployment.init_args
    assert deployment.name == GATEWAY_APP
    assert config.generalist.name == "big"
    assert (context.engine.cache_dir, context.metrics_dir) == (Path("/models"), Path("/metrics"))
    variables = deployment.ray_actor_options["runtime_env"]["env_vars"]
    assert variables == {
        "MALLOC_MMAP_THRESHOLD_": "1048576",
        "PROMETHEUS_MULTIPROC_DIR": "/metrics",
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    }


def test_the_classifier_is_built_where_it_is_apart():
    """The classifier's application has the replicas that the configuration asks for."""
    deployment = build(classifier, {"config": APART, "cache_dir": "/models"})._bound_deployment

    assert (deployment.name, deployment.num_replicas) == (CLASSIFIER, 3)


def test_a_classifier_in_the_gateway_is_no_application():
    """Asking for the classifier's application without its section is an error that names it."""
    with pytest.raises(ConfigError, match=r"router\.deployment"):
        build(classifier, {"config": CONFIG, "cache_dir": "/models"})


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [
        (pool, {"name": "big", "models": [SPEC]}),
        (pool, {"name": "big", "models": [], "cache_dir": "/models"}),
        (pool, {"name": "big", "models": [SPEC], "cache_dir": "/models", "replicas": 2}),
        (gateway, {"config": {"generalist": {"name": "big"}}, "cache_dir": "/models"}),
    ],
    ids=["absent", "no models", "unknown", "invalid"],
)
def test_wrong_arguments_are_refused(builder, arguments):
    """Arguments that are absent, unknown or invalid build nothing."""
    with pytest.raises(ValidationError):
        build(builder, arguments)
