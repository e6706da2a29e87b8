"""Finds the kinds of other task that are a domain's own task, such as translation.

A router for a translation specialist must not learn that "Translate this: ..." goes to nobody. A
linear layer that tells the kinds apart, and all of them from prompts that are none, reads the
domain's own rows.
"""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it ships no types

from lab.routing.forms import TEXTS, Wordings
from lab.routing.rows import LabelledRow
from router.classifier import TextEncoder
from router.types import GENERAL

_SHARE = 0.1
"""A kind is a domain's own task if it is the most likely kind of this share of its rows."""
_PER_KIND = 40
_PLAIN = 800
_ROWS = 120
"""Rows of a domain that are read."""


def kinds_of_own_task(
    rows: Sequence[LabelledRow], encoder: TextEncoder, wordings: Wordings
) -> Mapping[str, list[str]]:
    """The kinds of other task that are a domain's own, by domain; domains without any are absent.

    Args:
        rows: training rows.
        encoder: turns texts into vectors.
        wordings: the kinds.
    """
    kinds = _kinds(encoder, wordings)
    own: dict[str, list[str]] = {}
    for domain in sorted({row.domain for row in rows} - {GENERAL}):
        texts = [row.text.strip() for row in rows if row.domain == domain]
        drawn = random.Random(0).sample(texts, min(len(texts), _ROWS))
        # However unlikely: kinds that are like each other share the probability.
        likely = kinds.predict(encoder.encode(drawn).vectors)
        most = Counter(kind for kind in likely.tolist() if kind)
        often = sorted(kind for kind, count in most.items() if count >= _SHARE * len(drawn))
        if often:
            own[domain] = often
    return own


def _kinds(encoder: TextEncoder, wordings: Wordings) -> LogisticRegression:
    """A layer whose classes are the kinds, and "" for a prompt that is none."""
    rng = random.Random(0)
    lines = (TEXTS / "natural.jsonl").read_text(encoding="utf-8").splitlines()
    plain = [row["text"] for row in map(json.loads, lines) if row["domain"] != GENERAL]
    rng.shuffle(plain)
    rows = [(text, "") for text in plain[:_PLAIN]]
    rows += [
        (task.by_user(text, rng), task.kind)
        for task in wordings.other_tasks
        for text in rng.sample(plain, _PER_KIND)
    ]
    vectors = encoder.encode([text for text, _ in rows]).vectors
    with threadpool_limits(1):  # another order of summation would change the result
        return LogisticRegression(C=30.0, max_iter=300).fit(
            vectors, np.array([kind for _, kind in rows])
        )
