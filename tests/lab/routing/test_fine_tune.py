"""Fine-tuning, on a model of a few kilobytes: it learns, and goes on where it was interrupted."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from lab.routing.fine_tune import CHECKPOINT, Draws, FineTuneConfig, fine_tune, tuner
from lab.routing.forms import Frame, OtherTask, TuningPrompt, Wordings, wordings
from router.encoders.adapter import FILE, adapter_of
from router.encoders.encoder import Encoder
from router.encoders.encoding import WEIGHTS, checksum
from router.errors import TrainingError
from router.request_text import BUCKETS, SegmentScorer
from router.types import GENERAL
from tests.router.encoders.tiny_bert import LAYERS, tiny_bert

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = FineTuneConfig(layers=2, rank=4, steps=6, prompts=4, checkpoint_every=2)
SCORER = SegmentScorer.neutral()

PROMPTS = [
    *(TuningPrompt(f"select {number} rows", "sql") for number in range(8)),
    *(TuningPrompt(f"play song {number}", "tools") for number in range(8)),
    *(TuningPrompt(f"why is it {number}", GENERAL) for number in range(8)),
]


FORMS = wordings(False)


class Interrupted(Exception):
    """Ends a training before its time."""


class Interrupting(Draws):
    """Gives batches up to a step; remembers which were wanted."""

    def __init__(self, *of, stop=None):
        super().__init__(*of)
        self._stop = stop
        self.wanted = []

    def batch(self, step):
        if step == self._stop:
            raise Interrupted
        self.wanted.append(step)
        return super().batch(step)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Several threads add in an order that differs from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_bert(tmp_path_factory.mktemp("base") / "bert", max_position_embeddings=256)


def draws(prompts=PROMPTS, config=CONFIG, stop=None):
    return Interrupting(prompts, FORMS, SCORER, config, stop=stop)


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """The adapter of a training without interruption."""
    return fine_tune(draws(), base, tmp_path_factory.mktemp("whole") / CHECKPOINT, CONFIG)


def same(one, other):
    """Whether two adapters agree in every bit."""
    return (one.base_sha256, one.layers, one.scale) == (
        *(other.base_sha256, other.layers, other.scale),
    ) and all(
        np.array_equal(mine, theirs)
        for name in one.pairs | other.pairs
        for mine, theirs in zip(one.pairs[name], other.pairs[name], strict=True)
    )


def interrupted(base, checkpoint, stop=5, **changes):
    with pytest.raises(Interrupted):
        fine_tune(draws(stop=stop, **changes), base, checkpoint, CONFIG)


def test_an_adapter_changes_every_matrix_of_the_kept_layers(whole, base):
    """Six matrices a layer, bound to the base, and none is left as it was."""
    assert whole.base_sha256 == checksum(base / WEIGHTS)
    assert (whole.layers, whole.scale) == (CONFIG.layers, CONFIG.scale)
    assert len(whole.pairs) == 6 * CONFIG.layers < 6 * LAYERS
    assert all(a.shape[0] == b.shape[1] == CONFIG.rank for a, b in whole.pairs.values())
    assert all(np.abs(b).max() > 0 for _, b in whole.pairs.values())


def test_the_same_training_gives_the_same_adapter(whole, base, tmp_path):
    """To the bit."""
    assert same(whole, fine_tune(draws(), base, tmp_path / CHECKPOINT, CONFIG))


def test_an_interrupted_training_goes_on_to_the_same_adapter(whole, base, tmp_path):
    """It repeats only what came after the last checkpoint, and ends as if never interrupted."""
    interrupted(base, tmp_path / CHECKPOINT)
    again = draws()
    assert same(whole, fine_tune(again, base, tmp_path / CHECKPOINT, CONFIG))
    assert again.wanted == [4, 5]


def test_a_training_that_had_ended_is_not_repeated(whole, base, tmp_path):
    """All steps are in the checkpoint."""
    fine_tune(draws(), base, tmp_path / CHECKPOINT, CONFIG)
    again = draws()
    assert same(whole, fine_tune(again, base, tmp_path / CHECKPOINT, CONFIG))
    assert again.wanted == []


OTHERS = {
    "settings": {"config": replace(CONFIG, seed=1)},
    "rows": {"prompts": [*PROMPTS[1:], TuningPrompt("select nothing", "sql")]},
    "labels": {"prompts": [*PROMPTS, *(TuningPrompt(f"a {n}", "law") for n in range(8))]},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_the_checkpoint_of_another_training_is_not_used(base, tmp_path, change):
    """One of other settings, rows or labels begins anew."""
    interrupted(base, tmp_path / CHECKPOINT)
    other = draws(**change)
    fine_tune(other, base, tmp_path / CHECKPOINT, change.get("config", CONFIG))
    assert other.wanted == list(range(CONFIG.steps))


def test_the_checkpoint_of_another_base_is_not_used(base, tmp_path):
    """The rows are the same, and the weights are others."""
    interrupted(base, tmp_path / CHECKPOINT)
    other_base = tiny_bert(tmp_path / "bert", max_position_embeddings=300)
    other = draws()
    fine_tune(other, other_base, tmp_path / CHECKPOINT, CONFIG)
    assert other.wanted == list(range(CONFIG.steps))


def test_a_checkpoint_is_whole_or_absent(base, tmp_path):
    """No part of one is left behind."""
    interrupted(base, tmp_path / CHECKPOINT, stop=1)
    assert list(tmp_path.iterdir()) == []
    interrupted(base, tmp_path / CHECKPOINT)
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_progress_is_told(base, tmp_path):
    """The step, the steps in all, and the loss."""
    said = []
    fine_tune(draws(), base, tmp_path / CHECKPOINT, CONFIG, said.append)
    assert "step 1 of 6, loss" in said[0]


SHORT = Wordings(
    (OtherTask("say", ("say {text}",), ("say it",), {}),),
    {"mail": (Frame("mail", ("hi {text}",)),)},
    ("be kind",),
    ("log",),
)
"""Wordings of a few letters, which a tiny model can learn with."""


def test_what_tells_the_classes_apart_is_learnt(base, tmp_path):
    """Texts that training did not see are nearer to their class than the base has them."""
    config = replace(CONFIG, steps=150, prompts=8, other_tasks=0.0, checkpoint_every=150)
    letters = {"sql": "abcd", "tools": "wxyz"}
    prompts = [
        TuningPrompt(f"{one} {two} {three}", domain)
        for domain, own in letters.items()
        for one, two, three in permutations(own, 3)
    ]
    found = fine_tune(
        Draws(prompts[::2], SHORT, SCORER, config), base, tmp_path / CHECKPOINT, config
    )
    unseen = prompts[1::2]
    alike = np.equal.outer(*[[prompt.domain for prompt in unseen]] * 2)

    def gap(adapter):
        encoder = Encoder(base, tmp_path, adapter=adapter)
        vectors = encoder.encode([prompt.text for prompt in unseen]).vectors
        likeness = vectors @ vectors.T
        return likeness[alike].mean() - likeness[~alike].mean()

    assert gap(found) > gap(None) + 0.1


def test_a_tuner_leaves_the_adapter_beside_the_artifact(whole, base, tmp_path):
    """The encoder that it returns is what an artifact with this adapter is loaded with."""
    out = tmp_path / "artifact"
    encoder = tuner(base, tmp_path, out, threads=1, config=CONFIG)(PROMPTS, FORMS, SCORER)
    assert (out / FILE).is_file()
    assert encoder.sha256 == Encoder(base, tmp_path, adapter=adapter_of(out)).sha256
    a, b = adapter_of(out).pairs["encoder.layer.1.output.dense"]
    assert a == pytest.approx(whole.pairs["encoder.layer.1.output.dense"][0], abs=1e-3)
    assert b == pytest.approx(whole.pairs["encoder.layer.1.output.dense"][1], abs=1e-3)


def test_a_batch_depends_on_the_seed_and_the_step_alone():
    """Another step, and another seed, give other batches."""
    one, other = draws(), draws()
    other.batch(7)
    assert one.batch(3) == other.batch(3)
    assert one.batch(3) != one.batch(4)
    assert one.batch(3) != draws(config=replace(CONFIG, seed=1)).batch(3)


def test_a_batch_holds_prompts_also_inside_other_tasks():
    """About half come a second time, labelled `general`; `general` has its share of the rest."""
    config = replace(CONFIG, prompts=400)
    found = draws(config=config)
    labels = [found.classes[label] for _, label in found.batch(0)]
    assert len(labels) == pytest.approx(400 * (1 + config.other_tasks), rel=0.1)
    niche = sum(label != GENERAL for label in labels)
    assert niche == pytest.approx(400 * (1 - config.general), rel=0.15)


def test_labels_are_drawn_in_turn_and_prompts_by_their_weight():
    """A label with few prompts is as frequent as one with many."""
    prompts = [TuningPrompt("rare", "sql"), TuningPrompt("often", "sql", 9.0), *PROMPTS[8:16]]
    found = draws(prompts, replace(CONFIG, prompts=600, other_tasks=0.0))
    batch = found.batch(0)
    assert found.classes == [GENERAL, "sql", "tools"]
    sql = [text for text, label in batch if found.classes[label] == "sql"]
    assert len(sql) == pytest.approx(300, rel=0.2)
    assert sum("often" in text for text in sql) > 5 * sum("rare" in text for text in sql)


def test_long_texts_of_a_batch_are_shortened_as_requests_are():
    """The training sees what serving will encode."""
    batch = draws(config=replace(CONFIG, prompts=200)).batch(0)
    assert max(len(text) for text, _ in batch) < 1300
    assert any(text.startswith("System: ") for text, _ in batch)


@pytest.mark.parametrize("prompts", [[], PROMPTS[16:]], ids=["none", "general alone"])
def test_without_a_prompt_of_a_niche_there_is_nothing_to_train(prompts):
    """The error says which rows are needed."""
    with pytest.raises(TrainingError, match="--fine-tune"):
        draws(prompts)


def test_another_scorer_makes_another_training():
    """What shortens the texts is part of what the batches depend on."""
    scorers = (SCORER, SegmentScorer(np.ones(BUCKETS, np.float32)))
    assert len({Draws(PROMPTS, FORMS, each, CONFIG).fingerprint for each in scorers}) == 2


def test_neutral_system_prompts_are_read_now_and_then():
    """Else a system prompt in a text would be a sign of `general`."""
    found = draws()
    texts = [pair for step in range(20) for pair in found.batch(step)]
    below = [found.classes[label] for text, label in texts if text.startswith("System: ")]
    niches = sum(label != GENERAL for label in below)
    assert 0 < niches < len(texts) / 5


def test_system_prompts_are_told_apart_alone():
    """Half of them set a task; the others are neutral, or hold the context of a prompt."""
    config = replace(CONFIG, systems=400)
    prompts = [*PROMPTS, TuningPrompt("a table of boats\nwhich is longest", "sql", 9.0)]
    systems = draws(prompts, config).system_prompts(0)
    assert [label for _, label in systems] == [1] * 200 + [0] * 200
    neutral = [text for text, label in systems if not label]
    assert 0 < sum("a table of boats" in text for text in neutral) < 20
    assert draws(prompts, config).system_prompts(1) != systems


def test_the_checkpoint_holds_no_code(base, tmp_path):
    """It is loaded as tensors and plain values alone."""
    interrupted(base, tmp_path / CHECKPOINT)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["step"] == 4
