"""Refuses a prompt that no model could read, before it is routed, encoded or sent on.

Rule: only what cannot fit is refused here. A model whose room is unknown may have enough, and of a
prompt that may fit the engine says what it thinks of it.
"""

from collections.abc import Iterable, Mapping

from deployments.prompt_room import PromptRoom
from deployments.prompt_texts import require_room
from deployments.protocol import Backend, PromptTooLong, TellsRoom
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

    def require(self, request: CompletionRequest) -> None:
        """Returns if a model may have room for a request.

        Raises:
            PromptTooLong: none has; it speaks of the largest context.
        """
        names = self._generating if request.model == AUTO else (request.model,)
        rooms = {self._room(name) for name in names}
        refusals: list[tuple[int, PromptTooLong]] = []
        for room in rooms:
            if room is None:
                return
            try:
                require_room(room, request.operation, request.fields)
            except PromptTooLong as error:
                refusals.append((room.context_tokens, error))
            else:
                return
        raise max(refusals, key=lambda refusal: refusal[0])[1]

    def _room(self, model: str) -> PromptRoom | None:
        backend = self._telling.get(model)
        return None if backend is None else backend.room
