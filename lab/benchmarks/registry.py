"""The benchmarks by name, each with its rows and its encoder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.benchmarks.banking import banking77
from lab.benchmarks.clinc import clinc150, clinc150_unseen
from lab.benchmarks.close_domains import Tuned, close_domains
from lab.benchmarks.conversation import ablation, follow_up_figures
from lab.benchmarks.default import default, own_test_rows
from lab.benchmarks.dialogues import Material, dialogues
from lab.benchmarks.figures import Bar, Figure, Result
from lab.benchmarks.mmlu import mmlu14
from lab.benchmarks.robustness import read_prompts, robustness
from lab.benchmarks.routellm import routellm
from lab.benchmarks.speed import latency, sentence_transformers_encode, throughput
from lab.benchmarks.zero_shot import zero_shot
from lab.routing import default_prompts, public_prompts
from lab.routing.destinations import destinations
from lab.routing.follow_up import read_utterances
from lab.specialists.registry import NICHES
from router.artifact import artifact_path, load_artifact
from router.classifier import RouteClassifier, TextEncoder
from router.encoders.adapter import adapter_of
from router.encoders.encoder import Encoder

_THROUGHPUT_THREADS, _THROUGHPUT_TEXTS = 2, 256


@dataclass(frozen=True)
class Setting:
    """The environment of the benchmarks.

    Attributes:
        data_dir: the folder of the public sets.
        artifact: `default`, or a directory.
        model: the encoder's directory.
        cache_dir: the folder of its converted graph.
        encoder: the base encoder, for everything except timing.
        served: the artifact's encoder: the base, or what an adapter makes of it.
        progress: called at the start of each step.
        fine_tune: whether to train encoders to compare with, which takes an hour or more.
    """

    data_dir: Path
    artifact: str
    model: Path
    cache_dir: Path
    encoder: TextEncoder
    served: TextEncoder
    progress: Callable[[str], object]
    fine_tune: bool = True

    @property
    def tuned(self) -> Path | None:
        """The model to fine-tune; None without fine-tuning."""
        return self.model if self.fine_tune else None

    def timed(self, threads: int) -> Encoder:
        """The artifact's encoder with this number of CPU threads."""
        adapter = adapter_of(artifact_path(self.artifact))
        return Encoder(self.model, self.cache_dir, threads, adapter=adapter)

    def classifier(self) -> RouteClassifier:
        """The artifact's classifier."""
        return load_artifact(artifact_path(self.artifact), self.served)


def _clinc150(setting: Setting) -> Result:
    return clinc150(
        public_prompts.read("clinc150", setting.data_dir), setting.encoder, setting.progress
    )


def _clinc150_unseen(setting: Setting) -> Result:
    return clinc150_unseen(
        public_prompts.read("clinc150", setting.data_dir), setting.encoder, setting.progress
    )


def _banking77(setting: Setting) -> Result:
    return banking77(
        public_prompts.read("banking77", setting.data_dir), setting.encoder, setting.progress
    )


def _routellm(setting: Setting) -> Result:
    return routellm(
        public_prompts.read("routellm_mmlu", setting.data_dir), setting.encoder, setting.progress
    )


def _mmlu14(setting: Setting) -> Result:
    rows = public_prompts.read("mmlu14", setting.data_dir)
    return mmlu14(rows, setting.encoder, setting.tuned, setting.progress)


def _default(setting: Setting) -> Result:
    rows = own_test_rows(default_prompts.rows(setting.data_dir), setting.encoder)
    return default(rows, setting.classifier(), setting.progress)


def _robustness(setting: Setting) -> Result:
    classifier = setting.classifier()
    return robustness(lambda queries: destinations(classifier, queries), read_prompts())


def _close_domains(setting: Setting) -> Result:
    rows = public_prompts.read("mmlu14", setting.data_dir)
    with TemporaryDirectory() as folder:
        return close_domains(rows, setting.encoder, Path(folder), _tuned(setting, Path(folder)))


def _tuned(setting: Setting, out: Path) -> Tuned | None:
    """What fine-tunes the encoder, and reads the result; None without fine-tuning."""
    if not setting.fine_tune:
        return None
    from lab.routing.fine_tune import tuner  # noqa: PLC0415 - torch takes seconds to import

    tune = tuner(setting.model, setting.cache_dir, out, 1, progress=setting.progress)
    return tune, lambda: Encoder(setting.model, setting.cache_dir, adapter=adapter_of(out))


def _robustness_zero_shot(setting: Setting) -> Result:
    rows = default_prompts.rows(setting.data_dir)
    held_out = [row for row in rows if row.split in ("validation", "calibration")]
    return zero_shot(setting.encoder, held_out, read_prompts())


def _conversation(setting: Setting) -> Result:
    classifier = setting.classifier()
    follow_up = classifier.trained.reading.follow_up
    rows = own_test_rows(default_prompts.rows(setting.data_dir), setting.encoder)
    utterances = [utterance for utterance in read_utterances() if utterance.split == "test"]
    words = [utterance.text for utterance in utterances if utterance.is_follow_up]
    instructions = {niche.name: niche.system_prompt for niche in NICHES.values()}
    follow_ups = follow_up_figures(utterances, rows, setting.served, follow_up)
    made = dialogues(Material(rows, words, instructions))
    tried = ablation(made, classifier)
    return Result("conversation", (), (), (follow_ups.table, tried.table))


def _speed(setting: Setting) -> Result:
    texts = [row.text for row in default_prompts.rows(setting.data_dir) if row.split == "test"]
    short, long = latency(setting.timed(1), texts)
    rates = throughput(
        setting.timed(_THROUGHPUT_THREADS),
        sentence_transformers_encode(setting.model, _THROUGHPUT_THREADS),
        texts[:_THROUGHPUT_TEXTS],
    )
    return Result(
        "speed",
        (
            Figure(f"p50 of {short.tokens} tokens, ms", short.p50_ms, None, Bar(3, at_most=True)),
            Figure(f"p99 of {short.tokens} tokens, ms", short.p99_ms, None, Bar(10, at_most=True)),
            Figure(f"p50 of {long.tokens} tokens, ms", long.p50_ms, None, Bar(25, at_most=True)),
            Figure("texts per second, 64 callers", rates.together),
            Figure("texts per second, sentence-transformers, one by one", rates.one_by_one),
            Figure("times as many", rates.ratio, None, Bar(3)),
        ),
        (
            f"Latency on one thread, throughput on {_THROUGHPUT_THREADS}; encoding alone, "
            "without the gateway around it.",
        ),
    )


BENCHMARKS: Mapping[str, Callable[[Setting], Result]] = {
    "clinc150": _clinc150,
    "clinc150-unseen": _clinc150_unseen,
    "banking77": _banking77,
    "routellm": _routellm,
    "mmlu14": _mmlu14,
    "default": _default,
    "close-domains": _close_domains,
    "robustness": _robustness,
    "robustness-zero-shot": _robustness_zero_shot,
    "conversation": _conversation,
    "speed": _speed,
}
"""The benchmarks of `niche benchmark`, in order."""
