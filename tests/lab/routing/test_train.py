"""Training: from rows to an artifact that serves as it was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest

from deployments.protocol import Message
from lab.routing.caching import CachingEncoder
from lab.routing.dataset import LabelledQuery
from lab.routing.evaluate import evaluate
from lab.routing.fine_tune import FineTuneConfig, tuner
from lab.routing.forms import OTHER_TASKS, PLAIN, wordings
from lab.routing.train import TrainConfig, train, train_router
from router.artifact import load_artifact
from router.config import GuaranteeConfig
from router.encoders.adapter import FILE, adapter_of
from router.encoders.encoder import Encoder
from router.errors import ArtifactError, TrainingError
from router.types import Query
from router.verification import verify
from tests.conftest import CONFIG
from tests.router.encoders.tiny_bert import tiny_bert
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


def test_calibration_rows_of_one_group_are_one_draw(tmp_path):
    """Twenty rows of each domain come as four tables of five: twelve rows make the guarantee."""
    rows = [
        replace(row, group=f"{row.domain} table {int(row.group.removeprefix(row.domain)) // 7 % 4}")
        if row.split == "calibration"
        else row
        for row in toy_rows()
    ]
    report = train(rows, HashingEncoder(), tmp_path, CONFIG)
    assert report.sizes["calibration"] == 60
    assert {level.rows for level in report.guarantees} == {12}


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


class Tuned(HashingEncoder):
    """What a fine-tuning makes of the encoder."""

    name, sha256 = "tuned", "1" * 64


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A training that tunes its encoder first: folder, report, and what was given to tune on."""
    path, given = tmp_path_factory.mktemp("tuned"), []

    def tune(*material):
        given.append(material)
        return Tuned()

    said: list[str] = []
    report = train(toy_rows(), HashingEncoder(), path, CONFIG, tune, said.append)
    [material] = given
    return path, report, material, said


def test_a_tuned_artifact_is_bound_to_the_tuned_encoder(tuned):
    """It is refused with the base, and reads system prompts."""
    path, report, _, _ = tuned
    with pytest.raises(ArtifactError, match=r"'tuned'.*'hashing'"):
        load_artifact(path, HashingEncoder())
    assert load_artifact(path, Tuned()).trained.reading.reads_system
    assert report.tuned
    assert "hashing, fine-tuned" in report.markdown()


def test_the_training_rows_alone_tune(tuned):
    """With wordings that are not held out; some more are kept for the detector of tasks."""
    prompts, forms, _ = tuned[2]
    training = {row.text for row in toy_rows() if row.split == "train"}
    assert {prompt.text for prompt in prompts} == training
    assert {task.kind for task in forms.other_tasks} < {
        task.kind for task in wordings(False).other_tasks
    }
    assert set(forms.systems) < set(wordings(False).systems)


def test_a_tuned_training_is_measured_in_every_form(tuned):
    """Thresholds come from prompts in other forms, and so do the calibration rows."""
    _, report, _, said = tuned
    assert {found.form for found in report.by_form} >= {PLAIN, *OTHER_TASKS, *wordings(True).frames}
    assert len(report.trained.calibration.confidence) == report.sizes["calibration"]
    assert any("other forms" in line for line in said)
    assert "\n## By form\n" in report.markdown()


def test_prompts_inside_other_tasks_are_general_though_no_row_is(tmp_path):
    """Two niches become an artifact that knows `general` too."""
    rows = [row for row in toy_rows() if row.domain != "general"]
    report = train(rows, HashingEncoder(), tmp_path, CONFIG, lambda *_: Tuned())
    assert report.trained.head.classes == ("general", "sql", "tools")


def test_rows_written_for_this_project_are_tuned_on_more_often(tmp_path):
    """They are few; conversations and rows with a system prompt do not tune."""
    own = [replace(row, source="natural (own)") for row in toy_rows() if row.domain == "sql"]
    others = [row for row in toy_rows() if row.domain != "sql"]
    talk = LabelledQuery(
        Query((Message("user", "play"), Message("assistant", "x"), Message("user", "a song"))),
        *("tools", "talk", "train"),
    )
    below = LabelledQuery(
        Query((Message("system", "be kind"), Message("user", "play an album"))),
        *("tools", "below", "train"),
    )
    given = []

    def tune(prompts, *_):
        given.extend(prompts)
        return Tuned()

    train([*own, *others, talk, below], HashingEncoder(), tmp_path, CONFIG, tune)
    weights = {prompt.domain: prompt.weight for prompt in given}
    assert weights["sql"] > weights["tools"] == weights["general"] == 1.0
    assert not {"a song", "play an album"} & {prompt.text for prompt in given}


def test_a_frozen_training_removes_the_adapter_of_an_earlier_one(tmp_path):
    """Else its artifact would be loaded with an encoder that it was not trained for."""
    (tmp_path / FILE).write_bytes(b"of an earlier training")
    train(toy_rows(), HashingEncoder(), tmp_path, CONFIG)
    assert not (tmp_path / FILE).exists()


def test_verification_prompts_are_short_validation_texts(trained):
    """With the decision of the artifact on each; no test row is among them."""
    prompts = trained[1].trained.verification
    assert 20 <= len(prompts) <= 200
    validation = {row.text for row in toy_rows() if row.split == "validation"}
    assert {prompt.text for prompt in prompts} <= validation
    assert {prompt.domain for prompt in prompts} <= {"general", "sql", "tools"}


def test_a_larger_share_of_misrouted_rows_routes_more(tmp_path):
    """The setting chooses the threshold, and the report shows the choice."""
    rows = [
        replace(row, domain="general") if number % 3 == 0 and row.domain == "sql" else row
        for number, row in enumerate(toy_rows())
    ]
    some, more = (
        train(rows, HashingEncoder(), tmp_path / f"{limit}", replace(CONFIG, max_misrouted=limit))
        for limit in (0.01, 0.4)
    )
    assert more.trained.min_confidence < some.trained.min_confidence
    assert more.test.routed > some.test.routed
    assert (some.tradeoff.chosen, more.tradeoff.chosen) == (0.01, 0.4)


@pytest.mark.usefixtures("one_thread")
def test_a_small_encoder_is_tuned_to_an_artifact_that_serves(tmp_path):
    """Rows, adapter, converted encoder and artifact fit together, and verify."""
    base = tiny_bert(tmp_path / "bert", max_position_embeddings=256)
    out, cache = tmp_path / "artifact", tmp_path / "cache"
    settings = FineTuneConfig(layers=2, rank=2, steps=2, prompts=4)
    tune = tuner(base, cache, out, 1, settings)
    report = train_router(toy_rows(60), Encoder(base, cache), out, CONFIG, tune)
    classifier = load_artifact(out, Encoder(base, cache, adapter=adapter_of(out)))
    assert verify(classifier).different == 0
    assert (out / FILE).is_file()
    assert report.tuned
    with pytest.raises(ArtifactError, match="sha256"):
        load_artifact(out, Encoder(base, cache))


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


def test_a_tuned_training_learns_the_forms(tmp_path):
    """From the rows that it makes; a frozen one makes none and learns none."""

    def tune(prompts, wordings, scorer):
        return HashingEncoder()

    train(toy_rows(49), HashingEncoder(), tmp_path, CONFIG, tune)
    classifier = load_artifact(tmp_path, HashingEncoder())
    assert {"plain", "other task", "other task by system prompt"} < set(
        classifier.trained.forms.names
    )
    assert classifier.rationale(Query(text="play a song")).form.probability > 0


def test_a_frozen_training_learns_no_forms(trained):
    """Its prompts come in one form."""
    assert trained[1].trained.forms is None
