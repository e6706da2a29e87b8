"""The artifact of a trained router: a directory with `artifact.json` and `head.safetensors`.

No pickle. `artifact.json` has the checksums of the tensors and of their encoder. Loading refuses an
artifact that is absent, altered, newer than this code, not finite, or made for another encoder; the
error names the remedy.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from router.classifier import RouteClassifier, TextEncoder
from router.conversation import FollowUpDetector, Reading, TaskPromptDetector
from router.errors import ArtifactError
from router.form_head import FormHead
from router.head import Head
from router.ood import OodDetector, Scale
from router.request_text import BUCKETS, SegmentScorer
from router.trained import Calibration, Exemplars, Trained, VerificationPrompt

VERSION = 2
"""The version of the layout below; readers refuse any other."""

_JSON, _TENSORS = "artifact.json", "head.safetensors"
_PACKAGES = ("numpy", "onnxruntime", "safetensors", "scikit-learn", "tokenizers")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EncoderPart(_Part):
    """The encoder that the tensors belong to."""

    name: str
    sha256: str = Field(description="of its weights, and of the adapter if there is one")


class ExemplarPart(_Part):
    """A prompt with its domain; that of an exemplar has a row of the tensor `exemplars`."""

    text: str
    domain: str


class ScalePart(_Part):
    """See `Scale`."""

    mean: float
    spread: float


class OodPart(_Part):
    """See `OodDetector`; the keys keep the names of the first artifacts."""

    energy: ScalePart
    likeness: ScalePart = Field(description="of the similarity to the nearest prototype")
    threshold: float = Field(description="the largest OOD score in distribution, negated")


class Layout(_Part):
    """`artifact.json`. The tensors are those of `Trained`."""

    version: int
    classes: tuple[str, ...]
    encoder: EncoderPart
    temperature: float
    min_confidence: float
    reads_system: bool = Field(default=False, description="see `Reading`; absent in old artifacts")
    min_similarity: float = Field(default=0.4, description="see `Reading`")
    scope: OodPart
    tensors_sha256: str
    data_sha256: str = Field(description="fingerprint of the training rows")
    packages: dict[str, str]
    metrics: dict[str, float]
    exemplars: tuple[ExemplarPart, ...]
    verification: tuple[ExemplarPart, ...] = Field(
        default=(), description="texts with their decision: see `router.verification`"
    )
    forms: tuple[str, ...] = Field(
        default=(), description="names of `FormHead`; empty without its tensors"
    )


def artifact_path(name: str) -> Path:
    """The directory of an artifact; `default` is the one that ships with the package."""
    return Path(__file__).parent / "artifacts" / "default" if name == "default" else Path(name)


def save_artifact(
    path: Path,
    trained: Trained,
    encoder: TextEncoder,
    data_sha256: str,
    metrics: dict[str, float],
) -> None:
    """Writes a trained router into a directory, replacing an earlier one."""
    tensors = save(_tensors(trained))
    head, ood, exemplars = trained.head, trained.ood, trained.exemplars
    layout = Layout(
        version=VERSION,
        classes=head.classes,
        encoder=EncoderPart(name=encoder.name, sha256=encoder.sha256),
        temperature=head.temperature,
        min_confidence=trained.min_confidence,
        reads_system=trained.reading.reads_system,
        min_similarity=trained.reading.min_similarity,
        forms=() if trained.forms is None else trained.forms.names,
        scope=OodPart(
            energy=ScalePart(mean=ood.energy.mean, spread=ood.energy.spread),
            likeness=ScalePart(mean=ood.similarity.mean, spread=ood.similarity.spread),
            threshold=-ood.max_score,
        ),
        tensors_sha256=hashlib.sha256(tensors).hexdigest(),
        data_sha256=data_sha256,
        packages={name: version(name) for name in _PACKAGES},
        metrics=metrics,
        exemplars=tuple(
            ExemplarPart(text=text, domain=domain)
            for text, domain in zip(exemplars.texts, exemplars.domains, strict=True)
        ),
        verification=tuple(
            ExemplarPart(text=prompt.text, domain=prompt.domain) for prompt in trained.verification
        ),
    )
    path.mkdir(parents=True, exist_ok=True)
    (path / _TENSORS).write_bytes(tensors)
    text = json.dumps(layout.model_dump(mode="json"), indent=1, ensure_ascii=False)
    (path / _JSON).write_text(text + "\n", encoding="utf-8")


def load_artifact(path: Path, encoder: TextEncoder) -> RouteClassifier:
    """The classifier of an artifact.

    Args:
        path: the artifact's directory; see `artifact_path`.
        encoder: must be the one that the artifact was trained with.

    Raises:
        ArtifactError: the artifact cannot be used; the message names the file and the remedy.
    """
    layout, trained = read_artifact(path)
    if layout.encoder.sha256 != encoder.sha256:
        raise ArtifactError(
            f"{path / _JSON} was trained with the encoder {layout.encoder.name!r} "
            f"(sha256 {layout.encoder.sha256}), not with {encoder.name!r} "
            f"(sha256 {encoder.sha256}). "
            "Give the router that encoder, or train an artifact with yours."
        )
    return RouteClassifier(encoder, trained)


def read_artifact(path: Path) -> tuple[Layout, Trained]:
    """Reads and verifies an artifact without its encoder.

    Raises:
        ArtifactError: as `load_artifact`.
    """
    layout = _read_layout(path / _JSON)
    tensors = _read_tensors(path / _TENSORS, layout.tensors_sha256)
    try:
        return layout, _trained(layout, tensors)
    except KeyError as error:
        raise ArtifactError(f"{path / _TENSORS} lacks the tensor {error}; train again") from error
    except ValueError as error:
        raise ArtifactError(f"{path / _TENSORS}: {error}; train again") from error


def _tensors(trained: Trained) -> dict[str, Any]:
    head, calibration = trained.head, trained.calibration
    tensors = {
        "weights": (head.weights, np.float32),
        "bias": (head.bias, np.float32),
        "domains": (head.domains, np.int64),
        # Half precision changes a cosine by less than 0.001.
        "prototypes": (trained.ood.prototypes, np.float16),
        "exemplars": (trained.exemplars.vectors, np.float16),
        "follow_up_weights": (trained.reading.follow_up.weights, np.float32),
        "follow_up_bias": (trained.reading.follow_up.bias, np.float64),
        "segment_weights": (trained.reading.scorer.weights, np.float16),
        "calibration_confidence": (calibration.confidence, np.float64),
        "calibration_misroute": (calibration.misroute, np.bool_),
        "calibration_excess_loss": (calibration.excess_loss, np.float64),
        "calibration_grid": (calibration.grid, np.float64),
    }
    if trained.forms is not None:
        tensors["form_weights"] = (trained.forms.weights, np.float32)
        tensors["form_bias"] = (trained.forms.bias, np.float32)
    if trained.reading.task_prompts is not None:
        tensors["system_weights"] = (trained.reading.task_prompts.weights, np.float32)
        tensors["system_words"] = (trained.reading.task_prompts.words, np.float16)
        tensors["system_bias"] = (trained.reading.task_prompts.bias, np.float64)
    # In C order: safetensors writes raw memory and would silently scramble any other order.
    return {name: np.ascontiguousarray(*pair) for name, pair in tensors.items()}


def _reading(layout: Layout, tensors: dict[str, Any]) -> Reading:
    return Reading(
        FollowUpDetector(tensors["follow_up_weights"], tensors["follow_up_bias"].item()),
        # Absent in old artifacts.
        SegmentScorer(tensors.get("segment_weights", np.zeros(BUCKETS)).astype(np.float32)),
        layout.reads_system,
        _task_prompts(tensors),
        layout.min_similarity,
    )


def _task_prompts(tensors: dict[str, Any]) -> TaskPromptDetector | None:
    if "task_prompt_weights" in tensors:
        raise ValueError("its detector of system prompts is for the encoder before it was tuned")
    if "system_weights" not in tensors:
        return None
    words = tensors["system_words"].astype(np.float32)
    return TaskPromptDetector(tensors["system_weights"], words, tensors["system_bias"].item())


def _trained(layout: Layout, tensors: dict[str, Any]) -> Trained:
    scope = layout.scope
    return Trained(
        head=Head(
            classes=layout.classes,
            weights=tensors["weights"],
            bias=tensors["bias"],
            domains=tensors["domains"],
            temperature=layout.temperature,
        ),
        ood=OodDetector(
            prototypes=tensors["prototypes"].astype(np.float32),
            energy=Scale(scope.energy.mean, scope.energy.spread),
            similarity=Scale(scope.likeness.mean, scope.likeness.spread),
            max_score=-scope.threshold,
        ),
        min_confidence=layout.min_confidence,
        reading=_reading(layout, tensors),
        exemplars=Exemplars(
            texts=tuple(exemplar.text for exemplar in layout.exemplars),
            domains=tuple(exemplar.domain for exemplar in layout.exemplars),
            vectors=tensors["exemplars"].astype(np.float32),
        ),
        calibration=Calibration(
            confidence=tensors["calibration_confidence"],
            misroute=tensors["calibration_misroute"],
            excess_loss=tensors["calibration_excess_loss"],
            grid=tensors["calibration_grid"],
        ),
        verification=tuple(
            VerificationPrompt(prompt.text, prompt.domain) for prompt in layout.verification
        ),
        forms=_forms(layout, tensors),
    )


def _forms(layout: Layout, tensors: dict[str, Any]) -> FormHead | None:
    if not layout.forms:
        return None
    return FormHead(layout.forms, tensors["form_weights"], tensors["form_bias"])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}); name an artifact's directory in "
            "router.artifact, or train one"
        ) from error


def _read_layout(path: Path) -> Layout:
    try:
        raw: Any = json.loads(_read(path))
    except ValueError as error:
        raise ArtifactError(f"{path} is not JSON ({error}); restore it, or train again") from error
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise ArtifactError(
            f"{path} has version {version}, this program reads {VERSION}; update the program"
        )
    if isinstance(version, int) and version < VERSION:
        raise ArtifactError(
            f"{path} has version {version}, this program reads {VERSION}; train again"
        )
    try:
        return Layout.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ArtifactError(f"{path}: {faults}; restore it, or train again") from error


def _read_tensors(path: Path, sha256: str) -> dict[str, Any]:
    raw = _read(path)
    actual = hashlib.sha256(raw).hexdigest()
    if actual != sha256:
        raise ArtifactError(
            f"{path} has sha256 {actual}, {_JSON} expects {sha256}: the two are not from the same "
            "training, or one is damaged; restore both, or train again"
        )
    try:
        return load(raw)
    except SafetensorError as error:
        raise ArtifactError(f"{path} is not a safetensors file ({error}); train again") from error
