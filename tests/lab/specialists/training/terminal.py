"""A terminal that goes away, as a closed connection does."""

import io


class Gone(io.StringIO):
    """Goes away when it is to show `text`.

    For standard output only: tqdm keeps its lock, which every bar of the process shares, when the
    stream of a bar itself fails, and whatever loads a model afterwards would wait for ever.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def write(self, text: str) -> int:
        if self._text in text:
            raise BrokenPipeError(f"at {self._text!r}")
        return len(text)
