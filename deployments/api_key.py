"""An API key in the environment."""

from collections.abc import Mapping

_LAST_OF_LATIN_1 = "\xff"


def read_api_key(environ: Mapping[str, str], variable: str) -> str | None:
    """The key in a variable, without the whitespace around it: a secret that `echo` made ends with
    a line break. None where the variable is not set or holds no more than that.

    Raises:
        ValueError: no header can hold the key. The words name the variable, and show nothing of the
            key.
    """
    key = environ.get(variable, "").strip()
    if key and not (key.isprintable() and max(key) <= _LAST_OF_LATIN_1):
        raise ValueError(
            f"the key in {variable} has a control character, such as a line break, or a letter "
            "beyond latin-1, which no header can hold; set it to the key alone"
        )
    return key or None
