"""Which words of labelled rows are learnt from: a label says nothing about words that lean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.routing.data.rows import LabelledRow, Splits, query_of
from lab.routing.training.follow_up import fit_follow_up, read_utterances
from router.classifier import TextEncoder
from router.conversation import ConversationReader, Deciding, FollowUp, user_turns
from router.errors import TrainingError
from router.types import GENERAL, Scores

Floats = NDArray[np.float32]


def learn_leaning(rows: Sequence[LabelledRow], encoder: TextEncoder, splits: Splits) -> FollowUp:
    """What tells leaning words: learnt from our own utterances, and from the prompts that open a
    conversation, for those stand alone.

    Args:
        rows: labelled prompts.
        encoder: turns texts into vectors.
        splits: of the rows; training rows are learnt from, validation rows set the threshold.
    """
    said = [utterance for utterance in read_utterances() if utterance.split == "train"]
    first = np.array([len(user_turns(query_of(row))) == 1 for row in rows])
    texts = np.array([row.text.strip() for row in rows], np.object_)
    return fit_follow_up(
        encoder.encode([utterance.text for utterance in said]).vectors,
        np.array([utterance.leans for utterance in said]),
        standalone=encoder.encode(texts[splits.train][first[splits.train]].tolist()).vectors,
        held_out=encoder.encode(
            texts[splits.validation][first[splits.validation]].tolist()
        ).vectors,
    )


def deciding_words(
    rows: Sequence[LabelledRow], encoder: TextEncoder, follow_up: FollowUp
) -> Deciding:
    """The words of each row that its label is about: of a conversation, what its end leans on.

    Raises:
        TrainingError: a row has no text of a user.
    """

    def general(vectors: Floats, _truncated: NDArray[np.bool_]) -> list[Scores]:
        # No niche is known yet, so nothing but the leaning can tell where to look.
        return [Scores({GENERAL: 1.0}, ood_score=0.0, max_ood_score=0.0)] * len(vectors)

    reader = ConversationReader(encoder.encode, general, follow_up)
    deciding = reader.deciding([query_of(row) for row in rows])
    silent = [row for row, text in zip(rows, deciding.texts, strict=True) if not text]
    if silent:
        raise TrainingError(f"{len(silent)} rows have no text of a user; remove them")
    return deciding
