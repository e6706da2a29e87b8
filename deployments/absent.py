"""A model that is configured and cannot be asked here."""

from collections.abc import AsyncGenerator

from deployments.protocol import Chunk, Load, ModelCard, ModelRequest, Unavailable


class AbsentModel:
    """A `Backend` that refuses every request, with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        self._name, self._reason = name, reason

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Chunk]:
        """Raises `Unavailable`."""
        yield await self.complete(request)

    async def complete(self, _request: ModelRequest) -> Chunk:
        """Raises `Unavailable`."""
        raise self._refusal

    async def health(self, _model: str) -> None:
        """Raises `Unavailable`."""
        raise self._refusal

    async def load(self, _model: str) -> Load:
        """Raises `Unavailable`."""
        raise self._refusal

    async def cards(self) -> tuple[ModelCard, ...]:
        """None."""
        return ()

    @property
    def _refusal(self) -> Unavailable:
        return Unavailable(self._name, self._reason)
