"""The policy of a configuration, loaded without the encoder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.spec import ModelSpec
from gateway.config import NicheConfig
from gateway.routing import load_classifier, load_policy
from lab.routing.train import TrainConfig, train
from router.artifact import read_artifact, save_artifact
from router.config import GuaranteeConfig, RouterConfig
from router.encoders.adapter import FILE, read_adapter, save_adapter
from router.encoders.encoder import Encoder
from router.errors import ArtifactError, GuaranteeError, UnknownDomain
from router.trained import Calibration
from router.types import Reason, Scores
from router.verification import verify
from tests.gateway.stacks import GENERALIST
from tests.router.encoders.tiny_bert import tiny_adapter, tiny_bert
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

    decision = policy.decide(Scores({"sql": 0.9, "general": 0.1}, -1.0, -0.5))

    assert (decision.candidates, decision.reason) == (("special", "big"), Reason.ROUTED)


@pytest.mark.parametrize(
    ("max_misrouted", "confidence", "reason"),
    [
        (0.01, 0.79, Reason.LOW_CONFIDENCE),
        (0.01, 0.81, Reason.ROUTED),
        (0.4, 0.61, Reason.ROUTED),
        (0.4, 0.59, Reason.LOW_CONFIDENCE),
    ],
    ids=["strict, below", "strict, above", "loose, above", "loose, below"],
)
def test_a_share_of_misrouted_requests_chooses_the_confidence(
    artifact: Path, tmp_path: Path, max_misrouted: float, confidence: float, reason: Reason
) -> None:
    """The calibration rows of the artifact say from which confidence on it holds."""
    _, learnt = read_artifact(artifact)
    rows = Calibration(
        confidence=np.array([0.65, 0.65, 0.7, 0.85, 0.9]),
        misroute=np.array([True, False, True, False, False]),
        excess_loss=np.full(5, np.nan),
        grid=np.array([0.9, 0.8, 0.6]),
    )
    save_artifact(tmp_path, replace(learnt, calibration=rows), HashingEncoder(), "0", {})
    settings = config(tmp_path, "sql")
    router = settings.router.model_copy(update={"max_misrouted": max_misrouted})

    policy = load_policy(settings.model_copy(update={"router": router}))

    scores = Scores({"sql": confidence, "general": 1 - confidence}, -1.0, -0.5, min_confidence=0.1)
    assert policy.decide(scores).reason is reason


def test_an_artifact_with_an_adapter_is_served_by_the_tuned_encoder(tmp_path: Path) -> None:
    """The adapter beside the artifact is merged; without it the artifact is refused."""
    bert = tiny_bert(tmp_path / "bert", max_position_embeddings=256)
    out, cache = tmp_path / "artifact", tmp_path / "cache"

    save_adapter(tiny_adapter(bert), tmp_path / FILE)
    tuned = Encoder(bert, cache, adapter=read_adapter(tmp_path / FILE))
    train(toy_rows(60), tuned, out, TrainConfig(sub_clusters=(1,), near_duplicate=1.01))
    (tmp_path / FILE).rename(out / FILE)
    settings = RouterConfig(artifact=str(out), encoder=str(bert))

    classifier = load_classifier(settings, cache, "cpu")

    assert verify(classifier).different == 0
    (out / FILE).unlink()
    with pytest.raises(ArtifactError, match="sha256"):
        load_classifier(settings, cache, "cpu")


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
