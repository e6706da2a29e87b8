"""Training: from rows to an artifact that serves as it was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lab.routing.dataset import LabelledQuery
from lab.routing.evaluate import evaluate
from lab.routing.train import CachingEncoder, TrainConfig, train, train_router
from router.artifact import load_artifact
from router.config import GuaranteeConfig
from router.errors import TrainingError
from router.types import Query
from tests.conftest import CONFIG
from tests.router.fakes import HashingEncoder, toy_rows


def test_toy_domains_are_learnt(trained):
    """Domains with words of their own are told apart on rows that training did not see."""
    assert trained[1].test.macro_f1 > 0.95
    assert trained[1].unseen.macro_f1 > 0.95


def test_the_artifact_on_disk_does_what_the_report_says(trained):
    """Loading the artifact and measuring it again gives the reported figures."""
    path, report = trained
    rows = [row for row in toy_rows() if row.split == "test"]
    again = evaluate(load_artifact(path, HashingEncoder()), rows)
    assert again.metrics() == report.test.metrics()
    assert json.loads((path / "artifact.json").read_text())["metrics"] == report.test.metrics()


def test_the_same_rows_give_the_same_artifact(trained, tmp_path):
    """Training is reproducible to the byte."""
    train(toy_rows(), HashingEncoder(), tmp_path, CONFIG)
    for name in ("artifact.json", "head.safetensors"):
        assert (tmp_path / name).read_bytes() == (trained[0] / name).read_bytes()


def test_validation_chooses_the_number_of_sub_clusters(trained):
    """The choice has the lowest log loss; counts beyond the rows of a domain are not tried."""
    report = trained[1]
    assert [choice.sub_clusters for choice in report.choices] == [1, 2]
    best = min(report.choices, key=lambda choice: choice.log_loss)
    assert len(report.trained.head.bias) == 3 * best.sub_clusters


def test_the_ood_threshold_loses_the_set_share_of_validation_rows(tmp_path):
    """A larger quantile declines more."""
    some = train(toy_rows(), HashingEncoder(), tmp_path / "a", replace(CONFIG, ood_quantile=0.05))
    more = train(toy_rows(), HashingEncoder(), tmp_path / "b", replace(CONFIG, ood_quantile=0.5))
    assert some.trained.ood.max_score > more.trained.ood.max_score


def test_test_rows_do_not_change_what_is_trained(trained, tmp_path):
    """Other labels on the test and unseen rows change the figures and not the head."""
    held_out = [row for row in toy_rows() if row.split in ("test", "unseen")]
    relabelled = {row.group for row in held_out if row.domain == "sql" and int(row.group[3:]) % 4}
    rows = [
        replace(row, domain="general") if row.group in relabelled else row for row in toy_rows()
    ]
    report = train(rows, HashingEncoder(), tmp_path, CONFIG)
    tensors = "head.safetensors"
    assert (tmp_path / tensors).read_bytes() == (trained[0] / tensors).read_bytes()
    assert report.trained.ood.max_score == trained[1].trained.ood.max_score
    assert report.trained.min_confidence == trained[1].trained.min_confidence
    assert report.test.accuracy < trained[1].test.accuracy


def test_two_domains_are_enough(tmp_path):
    """One niche beside `general` trains, though scikit-learn treats two classes apart."""
    rows = [row for row in toy_rows() if row.domain != "tools"]
    report = train(rows, HashingEncoder(), tmp_path, replace(CONFIG, sub_clusters=(1,)))
    assert report.test.macro_f1 > 0.95


def test_niches_without_general_traffic_are_enough(tmp_path):
    """Without `general` rows the artifact knows the niches, and strangers by their OOD score."""
    rows = [row for row in toy_rows() if row.domain != "general"]
    report = train(rows, HashingEncoder(), tmp_path, CONFIG)
    assert report.trained.head.classes == ("sql", "tools")
    classifier = load_artifact(tmp_path, HashingEncoder())
    [stranger] = classifier.scores([Query(text="a poem about the history of hello")])
    assert stranger.ood_score > stranger.max_ood_score


def test_calibration_rows_are_kept_for_guarantees(trained):
    """Each calibration row has the confidence of its specialist, or none, and whether that errs."""
    calibration = trained[1].trained.calibration
    assert len(calibration.confidence) == trained[1].sizes["calibration"]
    assert np.isneginf(calibration.confidence).any()
    assert calibration.confidence.max() > 0.5
    assert np.isnan(calibration.excess_loss).all()


def test_paired_outcomes_reach_the_calibration(tmp_path):
    """The generalist's lead on calibration rows is kept in their order."""
    rows = [replace(row, excess_loss=0.25) for row in toy_rows()]
    calibration = train(rows, HashingEncoder(), tmp_path, CONFIG).trained.calibration
    assert (calibration.excess_loss == 0.25).all()


def test_progress_is_told(tmp_path):
    """Every step is announced."""
    said: list[str] = []
    train(toy_rows(), HashingEncoder(), tmp_path, CONFIG, progress=said.append)
    assert [line.split()[0] for line in said] == [
        *("encoding", "separating", "encoding", "trying", "trying", "fitting"),
        *("calibrating", "measuring"),
    ]


def test_rows_without_unseen_sources_are_enough(tmp_path):
    """The report then has no part for them."""
    rows = [row for row in toy_rows() if row.split != "unseen"]
    report = train(rows, HashingEncoder(), tmp_path, CONFIG)
    assert report.unseen is None
    assert "Unseen sources" not in report.markdown()


def test_one_domain_alone_is_refused(tmp_path):
    """There must be something to tell apart; the error says what to add."""
    rows = [row for row in toy_rows() if row.domain == "sql"]
    with pytest.raises(TrainingError, match="general"):
        train(rows, HashingEncoder(), tmp_path, CONFIG)


@pytest.mark.parametrize("dropped", ["train", "validation", "test"])
def test_a_split_that_lacks_a_domain_is_refused(tmp_path, dropped):
    """The error names the split and the domain."""
    rows = [row for row in toy_rows() if (row.domain, row.split) != ("sql", dropped)]
    with pytest.raises(TrainingError, match=dropped):
        train(rows, HashingEncoder(), tmp_path, CONFIG)


def test_too_few_rows_for_any_number_of_sub_clusters_are_refused(tmp_path):
    """The error gives the rows of the smallest domain and the smallest number tried."""
    config = replace(CONFIG, sub_clusters=(1000,))
    with pytest.raises(TrainingError, match=r"\d+ training rows.*1000"):
        train(toy_rows(), HashingEncoder(), tmp_path, config)


def test_training_writes_an_artifact_with_its_report(tmp_path):
    """What was trained can be loaded, and the report holds the operator's level first."""
    rows = [LabelledQuery(Query(text=row.text), row.domain, group=row.group) for row in toy_rows()]

    config = TrainConfig(guarantee=GuaranteeConfig(alpha=0.3))
    report = train_router(rows, HashingEncoder(), tmp_path, config)

    classifier = load_artifact(tmp_path, HashingEncoder())
    assert classifier.classes_ == ("general", "sql", "tools")
    assert [level.alpha for level in report.guarantees][:2] == [0.3, 0.01]
    assert (
        report.guarantees[0].sentence().replace(">", r"\>") in (tmp_path / "report.md").read_text()
    )
    assert {path.name for path in tmp_path.glob("*.png")} == {
        *("confusion.png", "reliability.png", "risk_coverage.png")
    }


def test_a_text_is_encoded_once():
    """Texts that were given before, or twice, cost nothing; the vectors are the encoder's."""
    encoder = HashingEncoder(max_words=2)
    caching = CachingEncoder(encoder)
    caching.encode(["play a song", "select rows"])
    found = caching.encode(["select rows", "hello", "hello"])
    assert encoder.encoded == ["play a song", "select rows", "hello"]
    again = HashingEncoder(max_words=2).encode(["select rows", "hello", "hello"])
    assert (found.vectors == again.vectors).all()
    assert found.truncated.tolist() == [False, False, False]


def test_no_texts_have_no_vectors():
    """An empty list gives the encoder's own empty answer."""
    assert CachingEncoder(HashingEncoder()).encode([]).vectors.shape == (0, 64)


def test_a_caching_encoder_stands_for_its_encoder():
    """Artifacts made through it are bound to the encoder behind it."""
    caching, encoder = CachingEncoder(HashingEncoder()), HashingEncoder()
    assert (caching.name, caching.sha256) == (encoder.name, encoder.sha256)
