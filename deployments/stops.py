"""Stop strings in a text that arrives in pieces."""


class StopScanner:
    """Finds stop strings in a text that arrives in pieces.

    Holds back text that may be the start of a stop string.
    """

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = stop
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """The text that may be shown now; sets `stopped` when a stop string is complete."""
        text, self._held = self._held + text, ""
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped = True
            return text[: min(found)]
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
