"""References that may be paths of this machine."""

from pathlib import Path

from deployments.models.errors import ModelError


def local_path(reference: str) -> Path:
    """The path that a reference would be, where there may be nothing.

    Raises:
        ModelError: none can be looked for: it is too long, in the home of a user who is not there,
            or in a folder that may not be read.
    """
    try:
        path = Path(reference).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"{reference!r} cannot be looked for as a path ({reason}); correct it"
        ) from error
    return path
