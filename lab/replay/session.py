"""Runs a replay from files: the recorded outcomes, and every available policy."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.datasets import outcomes as public
from lab.replay.outcomes import Layout, Outcomes, Recorded, RecordedRow, read_outcomes
from lab.replay.policies import (
    Expectation,
    by_router,
    by_vectors,
    domain_means,
    domain_oracle,
    instance_oracle,
)
from lab.replay.replay import Replay, replay
from router.artifact import artifact_path, load_artifact
from router.classifier import TextEncoder
from router.types import Query

Recordings = Mapping[str, Sequence[Recorded]]
"""Rows by the name of their file or set."""


def read_recordings(
    paths: Sequence[Path], names: Sequence[str], data_dir: Path | None, layout: Layout
) -> Recordings:
    """Reads recorded outcomes; all have a group or none has, unless a single file mixes both.

    Args:
        paths: files, as `lab.replay.outcomes` describes them.
        names: public sets, of `lab.datasets.outcomes`; they need `data_dir`.
        data_dir: the folder of the public sets.
        layout: options for reading the files.

    Raises:
        DataError: a file has faults.
        DatasetError: a set is unknown, absent or altered.
    """
    found: dict[str, Sequence[Recorded]] = {
        str(path): read_outcomes(path, layout) for path in paths
    }
    if data_dir is not None:
        found |= {name: public.read(name, data_dir) for name in names}
    return found if len(found) == 1 else _grouped(found)


def _grouped(given: Recordings) -> Recordings:
    """If other files have groups, a file without groups forms its own group."""
    without = {name for name, rows in given.items() if all(row.group is None for row in rows)}
    if len(without) == len(given):
        return given
    return {
        name: [RecordedRow(row.prompt, row.scores, row.costs, name, row.cluster) for row in rows]
        if name in without
        else rows
        for name, rows in given.items()
    }


def replay_all(
    outcomes: Outcomes,
    artifact: str | None = None,
    encoder: TextEncoder | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Replay:
    """Replays every available policy.

    Args:
        outcomes: the models' scores and costs on each prompt.
        artifact: a trained router, `default` or a directory; None leaves out policies that need
            one.
        encoder: the encoder that it was trained with; None without an artifact.
        progress: called at the start of each step.

    Raises:
        ArtifactError: the artifact cannot be used.
    """
    known = outcomes.groups is not None
    policies = [domain_means(outcomes)] if known else []
    if artifact is not None and encoder is not None:
        policies += _learned(outcomes, artifact, encoder, progress)
    policies += [domain_oracle(outcomes)] if known else []
    policies.append(instance_oracle(outcomes))
    progress(f"replaying {len(policies)} policies over {len(outcomes.prompts):,} prompts")
    with threadpool_limits(1):
        return replay(outcomes, policies)


def _learned(
    outcomes: Outcomes, artifact: str, encoder: TextEncoder, progress: Callable[[str], object]
) -> list[Expectation]:
    texts = [prompt.strip() for prompt in outcomes.prompts]
    classifier = load_artifact(artifact_path(artifact), encoder)
    progress(f"classifying {len(texts):,} prompts with the router")
    scores = classifier.scores([Query(text=text) for text in texts])
    table = [[score.probabilities[name] for name in classifier.classes_] for score in scores]
    vectors = encoder.encode(texts).vectors
    return [by_router(outcomes, np.array(table)), by_vectors(outcomes, vectors)]
