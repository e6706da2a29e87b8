"""Stop strings in a text that arrives in pieces."""


class StopScanner:
    """Finds stop strings in a text that arrives in pieces.

    Holds back text that may be the start of a stop string.

    Attributes:
        found: the stop string that ended the text; None: none yet.
    """

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = stop
        self._held = ""
        self.found: str | None = None

    @property
    def stopped(self) -> bool:
        """Whether a stop string has ended the text."""
        return self.found is not None

    def push(self, text: str) -> str:
        """The text that may be shown now; sets `found` when a stop string is complete."""
        text, self._held = self._held + text, ""
        found = [(at, stop) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            at, self.found = min(found)
            return text[:at]
        keep = possible_start(text, self._stop)
        if keep:
            text, self._held = text[:-keep], text[-keep:]
        return text

    def flush(self) -> str:
        """The text that was held back, at the end of the input."""
        text, self._held = self._held, ""
        return text


def possible_start(text: str, marks: tuple[str, ...]) -> int:
    """The length of the longest suffix of `text` that is a proper prefix of a mark."""
    longest = max((len(mark) for mark in marks), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(mark.startswith(text[-length:]) for mark in marks):
            return length
    return 0
