"""The policy of a configuration, loaded without the encoder."""

from pathlib import Path

import pytest

from deployments.spec import ModelSpec
from gateway.config import NicheConfig
from gateway.routing import load_policy
from lab.routing.train import TrainConfig, train
from router.config import GuaranteeConfig, RouterConfig
from router.errors import ArtifactError, GuaranteeError, UnknownDomain
from router.types import Reason, Scores
from tests.gateway.stacks import GENERALIST
from tests.router.fakes import HashingEncoder, toy_rows


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A router of the domains `sql`, `tools` and `general`."""
    path = tmp_path_factory.mktemp("artifact")
    settings = TrainConfig(sub_clusters=(1, 2), near_duplicate=1.01)
    train(toy_rows(60), HashingEncoder(), path, settings)
    return path


def config(artifact: Path, domain: str) -> NicheConfig:
    specialist = ModelSpec(name="special", model="none", engine="fake", domain=domain)
    settings = RouterConfig(artifact=str(artifact), encoder="no such encoder")
    return NicheConfig(generalist=GENERALIST, specialists=(specialist,), router=settings)


def test_it_decides_without_an_encoder(artifact: Path) -> None:
    """Scores from elsewhere are enough, and the encoder's files need not be here."""
    policy = load_policy(config(artifact, "sql"))

    decision = policy.decide(Scores({"sql": 0.9, "general": 0.1}, -1.0, -0.5), lambda _: True)

    assert (decision.candidates, decision.reason) == (("special", "big"), Reason.ROUTED)


def test_a_domain_that_the_artifact_lacks_is_refused(artifact: Path) -> None:
    """A specialist that could never be routed to stops the start here as well."""
    with pytest.raises(UnknownDomain) as raised:
        load_policy(config(artifact, "poems"))

    for named in ("poems", "general, sql, tools", str(artifact), "router.artifact"):
        assert named in str(raised.value)


def test_a_guarantee_over_domains_without_a_specialist_is_refused(artifact: Path) -> None:
    """What was calibrated on all niches together says nothing about one of them."""
    settings = config(artifact, "sql")
    promised = settings.router.model_copy(update={"guarantee": GuaranteeConfig(alpha=0.1)})
    with pytest.raises(GuaranteeError, match="tools"):
        load_policy(settings.model_copy(update={"router": promised}))


def test_an_artifact_that_cannot_be_verified_is_refused(artifact: Path, tmp_path: Path) -> None:
    """A gateway does not start with a damaged artifact, though it never computes with it."""
    (tmp_path / "artifact.json").write_bytes((artifact / "artifact.json").read_bytes())
    (tmp_path / "head.safetensors").write_bytes(b"damaged")

    with pytest.raises(ArtifactError, match="sha256"):
        load_policy(config(tmp_path, "sql"))
