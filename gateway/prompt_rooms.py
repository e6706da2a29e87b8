"""Refuses a prompt that no model could read, before it is routed, encoded or sent on.

Rule: only what cannot fit is refused here. A model whose room is unknown may have enough, and of a
prompt that may fit the engine says what it thinks of it.
"""

from collections.abc import Iterable, Mapping

from deployments.prompt_room import PromptRoom
from deployments.prompt_texts import has_room, too_long
from deployments.protocol import Backend, TellsRoom
from gateway.config import AUTO
from gateway.dialects.parse import CompletionRequest


class PromptRooms:
    """The rooms of a gateway's models, as their backends told last.

    Args:
        backends: every model's, by name.
        generating: the models of which `auto` may mean any.
    """

    def __init__(self, backends: Mapping[str, Backend], generating: Iterable[str]) -> None:
        tell: Mapping[str, object] = backends
        self._telling = {name: of for name, of in tell.items() if isinstance(of, TellsRoom)}
        self._generating = tuple(generating)

    def context_tokens(self, model: str) -> int | None:
        """A model's context; None: nobody told."""
        telling = self._telling.get(model)
        return telling.room.context_tokens if telling and telling.room else None

    def require(self, request: CompletionRequest) -> None:
        """Returns if a model may have room for a request.

        Raises:
            PromptTooLong: none has; it speaks of the largest context.
        """
        names = self._generating if request.model == AUTO else (request.model,)
        if not self._telling.keys() >= set(names):
            return
        largest: PromptRoom | None = None
        for room in {self._telling[name].room for name in names}:
            if room is None or has_room(room, request.operation, request.fields):
                return
            if largest is None or room.context_tokens > largest.context_tokens:
                largest = room
        if largest is not None:
            raise too_long(largest, request.operation)
