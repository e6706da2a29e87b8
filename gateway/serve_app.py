"""Builders of the applications, for a Ray Serve config file: an import path and its `args`.

The Helm chart writes such a file from the values that also make `niche.yaml`; `cli/launch.py`
starts the same applications from code. Rule: this module validates arguments and starts nothing.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from ray import serve

from deployments.builder import build_pool
from deployments.engine import EngineContext
from deployments.pool import Pool
from deployments.spec import ModelSpec
from gateway.classifier import build_classifier
from gateway.config import ConfigError, GatewaySection, NicheConfig
from gateway.ingress import GatewayContext, build_gateway


class _Arguments(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_dir: Path = Field(description="where model files lie on every node")


class PoolArguments(_Arguments):
    """Arguments of the application of one or several models."""

    name: str = Field(description="name of the deployment")
    models: tuple[ModelSpec, ...] = Field(
        min_length=1, description="the models; replicas and limits, Serve may override"
    )


class GatewayArguments(_Arguments):
    """Arguments of the gateway's and the classifier's applications."""

    config: NicheConfig = Field(description="the content of `niche.yaml`")
    metrics_dir: Path | None = Field(
        default=None, description="where the gateway replicas of a node keep their metrics"
    )


def pool(arguments: PoolArguments) -> serve.Application:
    """The application of one or several models, which has no HTTP route."""
    asked, context = Pool(arguments.name, arguments.models), EngineContext(arguments.cache_dir)
    # Only the default: the file says under `deployments` what its configuration's is.
    return build_pool(asked, context, GatewaySection().drain_seconds)


def gateway(arguments: GatewayArguments) -> serve.Application:
    """The gateway's application, which serves HTTP."""
    context = GatewayContext(EngineContext(arguments.cache_dir), arguments.metrics_dir)
    return build_gateway(arguments.config, context)


def classifier(arguments: GatewayArguments) -> serve.Application:
    """The classifier's application, for a configuration with `router.deployment`.

    Raises:
        ConfigError: `router.deployment` is not set, so the classifier runs in the gateway.
    """
    config = arguments.config
    if config.router.deployment is None:
        raise ConfigError("router.deployment: required for an application of the classifier")
    return build_classifier(
        config, config.router.deployment, arguments.cache_dir, arguments.metrics_dir
    )
