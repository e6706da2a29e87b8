"""Reads prompts in their forms as the router will, before it is trained."""

from collections.abc import Sequence

from router.classifier import TextEncoder
from router.conversation import SystemPrompts, TaskPromptDetector, system_text
from router.request_text import SegmentScorer, request_text
from router.types import Query


class TuningReader:
    """Reads queries of one turn as the router will: shortened, below a system prompt that sets a
    task.

    Args:
        base: the encoder before it is fine-tuned.
        scorer: shortens long texts.
        detector: tells the system prompts that set a task.

    Attributes:
        fingerprint: of what the reader has learnt.
    """

    def __init__(
        self, base: TextEncoder, scorer: SegmentScorer, detector: TaskPromptDetector
    ) -> None:
        self._scorer = scorer
        self._systems = SystemPrompts(base.encode, True, detector)
        self.fingerprint = scorer.weights.tobytes() + detector.weights.tobytes()

    def texts(self, queries: Sequence[Query], whatever: Sequence[bool]) -> list[str]:
        """The text of each query that is encoded.

        Args:
            queries: n queries.
            whatever: which are read with their system prompt, whatever it says.
        """
        said = [system_text(query) for query in queries]
        read = self._systems.read(said)
        systems = [
            own if all_ else task for own, task, all_ in zip(said, read, whatever, strict=True)
        ]
        return [
            request_text(system, query.messages[-1].content, self._scorer)
            for system, query in zip(systems, queries, strict=True)
        ]
