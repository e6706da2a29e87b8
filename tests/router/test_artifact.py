"""The artifact: what is saved is what is loaded, and nothing else is."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from deployments.protocol import Message
from router.artifact import (
    VERSION,
    artifact_path,
    load_artifact,
    read_artifact,
    save_artifact,
)
from router.conversation import TaskPromptDetector
from router.errors import ArtifactError
from router.form_head import FormHead
from router.head import Head
from router.request_text import BUCKETS, SYSTEM_BUCKETS, SegmentScorer
from router.trained import Exemplars, VerificationPrompt
from router.types import Query
from tests.router.fakes import WIDTH, HashingEncoder

ENCODER = HashingEncoder()


@pytest.fixture
def artifact(trained, tmp_path):
    """A copy of the trained artifact that a test may damage."""
    return shutil.copytree(trained[0], tmp_path / "artifact")


def edit(path, **changes):
    file = path / "artifact.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def replace_tensors(path, **changes):
    """Alters tensors and the checksum with them: what a checksum cannot catch."""
    file = path / "head.safetensors"
    tensors = load(file.read_bytes()) | changes
    raw = save({name: tensor for name, tensor in tensors.items() if tensor is not None})
    file.write_bytes(raw)
    edit(path, tensors_sha256=hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize("order", ["C", "F"])
def test_weights_survive_the_disk_in_whatever_order_they_lie_in_memory(trained, tmp_path, order):
    """The probabilities of a loaded head are those of the saved one, for either memory order."""
    rng = np.random.default_rng(0)
    head = Head(
        classes=("general", "sql"),
        weights=np.array(rng.normal(size=(5, WIDTH)), np.float32, order=order),
        bias=rng.normal(size=5).astype(np.float32),
        domains=np.array([0, 0, 1, 1, 1]),
    )
    vectors = np.array(rng.normal(size=(3, WIDTH)), np.float32, order=order)
    whole = replace(
        trained[1].trained,
        head=head,
        ood=replace(trained[1].trained.ood, prototypes=vectors),
        exemplars=Exemplars(("a", "b", "c"), ("sql",) * 3, vectors),
    )
    save_artifact(tmp_path, whole, ENCODER, "0", {})
    _, found = read_artifact(tmp_path)
    assert (found.head.weights == head.weights).all()
    assert found.ood.prototypes == pytest.approx(vectors, abs=0.01)
    assert found.exemplars.vectors == pytest.approx(vectors, abs=0.01)


def test_all_that_was_learnt_is_read_back(trained):
    """Scales, thresholds and calibration rows are those of the training."""
    _, found = read_artifact(trained[0])
    learnt = trained[1].trained
    assert (found.ood.energy, found.ood.similarity) == (
        learnt.ood.energy,
        learnt.ood.similarity,
    )
    assert found.ood.max_score == learnt.ood.max_score
    assert found.min_confidence == learnt.min_confidence
    for name in ("confidence", "misroute", "excess_loss", "grid"):
        kept = getattr(found.calibration, name)
        assert np.array_equal(
            kept, getattr(learnt.calibration, name), equal_nan=kept.dtype == float
        )


def test_the_default_is_a_directory_of_the_package():
    """`default` means the artifact that is shipped; any other name is the operator's directory."""
    assert (artifact_path("default") / "artifact.json").is_file()
    assert str(artifact_path("/somewhere/else")) == "/somewhere/else"


def test_how_requests_are_read_is_read_back(trained, tmp_path):
    """The scorer of long texts, whether the system prompt is read, and the verification prompts."""
    learnt = trained[1].trained
    # Half precision on disk.
    weights = np.linspace(-1, 1, BUCKETS).astype(np.float16).astype(np.float32)
    scorer = SegmentScorer(weights)
    detector = TaskPromptDetector(np.ones(3, np.float32), np.ones(SYSTEM_BUCKETS, np.float32), -0.5)
    reading = replace(learnt.reading, scorer=scorer, reads_system=True, task_prompts=detector)
    prompts = (VerificationPrompt("select", "sql"), VerificationPrompt("poem", "general"))
    save_artifact(
        tmp_path, replace(learnt, reading=reading, verification=prompts), ENCODER, "0", {}
    )
    _, found = read_artifact(tmp_path)
    assert found.reading.reads_system
    assert np.array_equal(found.reading.scorer.weights, scorer.weights)
    assert found.reading.task_prompts is not None
    assert found.reading.task_prompts.bias == -0.5
    assert found.verification == prompts


@pytest.fixture
def old(artifact):
    """An artifact as programs wrote it before encoders were trained."""
    replace_tensors(artifact, segment_weights=None)
    file = artifact / "artifact.json"
    fields = json.loads(file.read_text())
    del fields["reads_system"], fields["verification"]
    file.write_text(json.dumps(fields))
    return artifact


def test_an_old_artifact_is_read(old):
    """It reads no system prompt, has no preference in long texts, and brings no prompts."""
    _, found = read_artifact(old)
    assert not found.reading.reads_system
    assert not found.reading.scorer.weights.any()
    assert found.verification == ()


def test_an_old_artifact_decides_as_before(old, trained):
    """Its scores are those of the same training today, for prompts, conversations and long
    texts."""
    play, kind = Message("user", "play a song"), Message("system", "be kind")
    queries = [
        Query(text="select rows from the table"),
        Query((kind, play)),
        Query((play, Message("assistant", "done"), Message("user", "and hello"))),
        Query(text="select rows from the table\n" * 200),
    ]
    found = load_artifact(old, ENCODER).scores(queries)
    assert [max(s.probabilities, key=s.probabilities.get) for s in found[:2]] == ["sql", "tools"]
    assert found[:3] == load_artifact(trained[0], ENCODER).scores(queries)[:3]
    assert found[3].truncated


@pytest.mark.parametrize("file", ["artifact.json", "head.safetensors"])
def test_an_absent_file_is_named(artifact, file):
    """The error names the file and what to do."""
    (artifact / file).unlink()
    with pytest.raises(ArtifactError, match=rf"{file}.*router\.artifact"):
        load_artifact(artifact, ENCODER)


def test_altered_tensors_are_refused(artifact):
    """One changed byte is found by the checksum."""
    file = artifact / "head.safetensors"
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    with pytest.raises(ArtifactError, match="sha256"):
        load_artifact(artifact, ENCODER)


def test_a_newer_version_is_refused(artifact):
    """An artifact of a later program asks for an update of this one."""
    edit(artifact, version=VERSION + 1)
    with pytest.raises(ArtifactError, match=rf"version {VERSION + 1}.* {VERSION}"):
        load_artifact(artifact, ENCODER)


def test_an_older_version_asks_for_a_training(artifact):
    """What an earlier program wrote is not guessed at."""
    edit(artifact, version=VERSION - 1)
    with pytest.raises(ArtifactError, match=rf"version {VERSION - 1}.* {VERSION}"):
        load_artifact(artifact, ENCODER)


def test_an_artifact_of_another_encoder_is_refused(artifact):
    """Vectors of another encoder would be noise: both are named."""
    other = HashingEncoder()
    other.name, other.sha256 = "other", "0" * 64
    with pytest.raises(ArtifactError, match=r"'hashing'.*'other'"):
        load_artifact(artifact, other)


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"version": 1}'], ids=["text", "list", "empty"]
)
def test_a_layout_that_cannot_be_read_is_refused(artifact, text):
    """A file that is not the layout is named with its faults."""
    (artifact / "artifact.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"artifact\.json"):
        load_artifact(artifact, ENCODER)


@pytest.mark.parametrize("change", [{"temperature": float("nan")}, {"surprise": 1}], ids=str)
def test_unknown_keys_and_numbers_that_are_none_are_refused(artifact, change):
    """The layout is closed, and its numbers are finite."""
    edit(artifact, **change)
    with pytest.raises(ArtifactError, match=next(iter(change))):
        load_artifact(artifact, ENCODER)


@pytest.mark.parametrize(
    ("tensors", "named"),
    [
        ({"bias": None}, "'bias'"),
        ({"weights": np.ones((2, WIDTH), np.float32)}, "weights of shape"),
        ({"segment_weights": np.ones(3, np.float32)}, f"expected \\({BUCKETS},\\)"),
        ({"exemplars": np.ones((1, WIDTH), np.float16)}, "1 vectors"),
        ({"exemplars": np.ones((12, WIDTH + 1), np.float16)}, "exemplars of shape"),
    ],
    ids=["absent", "shape", "segments", "exemplars", "width"],
)
def test_tensors_that_do_not_fit_are_refused(artifact, tensors, named):
    """Absent or misshapen tensors are named even when the checksum is right."""
    replace_tensors(artifact, **tensors)
    with pytest.raises(ArtifactError, match=named):
        load_artifact(artifact, ENCODER)


def test_weights_that_are_not_numbers_are_refused(artifact):
    """A weight that is not finite is found even when the checksum is right."""
    bias = load((artifact / "head.safetensors").read_bytes())["bias"]
    replace_tensors(artifact, bias=np.full_like(bias, np.nan))
    with pytest.raises(ArtifactError, match="weight"):
        load_artifact(artifact, ENCODER)


def test_tensors_that_are_no_tensors_are_refused(artifact):
    """A file with the right checksum and the wrong format is named."""
    (artifact / "head.safetensors").write_bytes(b"junk")
    edit(artifact, tensors_sha256=hashlib.sha256(b"junk").hexdigest())
    with pytest.raises(ArtifactError, match="safetensors file"):
        load_artifact(artifact, ENCODER)


@pytest.fixture
def with_forms(trained, tmp_path):
    """An artifact with a form head, and the head."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, WIDTH)).astype(np.float32)
    forms = FormHead(("other task", "plain"), weights, np.ones(2, np.float32))
    save_artifact(tmp_path, replace(trained[1].trained, forms=forms), ENCODER, "0", {})
    return tmp_path, forms


def test_forms_are_read_back(with_forms):
    """Names, weights and biases are those that were saved."""
    path, forms = with_forms
    found = read_artifact(path)[1].forms
    assert found.names == forms.names
    assert np.array_equal(found.weights, forms.weights)
    assert np.array_equal(found.bias, forms.bias)


def test_an_artifact_without_forms_has_none(trained):
    """As those of earlier programs."""
    assert read_artifact(trained[0])[1].forms is None


@pytest.mark.parametrize(
    "weights", [None, np.ones((2, WIDTH + 1), np.float32)], ids=["absent", "another width"]
)
def test_forms_without_their_weights_are_refused(with_forms, weights):
    """The error names the file, and what lacks or does not fit."""
    path, _ = with_forms
    replace_tensors(path, form_weights=weights)
    with pytest.raises(ArtifactError, match=r"head\.safetensors.*form"):
        read_artifact(path)
