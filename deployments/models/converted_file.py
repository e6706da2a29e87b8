"""A file that is made once, from others, and kept.

    <name>            appears atomically, by renaming
    <name>.sha256     its checksum, written before it

Rule: the name tells what the file was made from. One that does not match its checksum is made
again.
"""

import os
from collections.abc import Callable
from pathlib import Path

from deployments.models.checksum import sha256_of


def converted_file(target: Path, write: Callable[[Path], None]) -> Path:
    """The file `target`; what makes it is `write`, which gets a path of another name."""
    checksum = target.with_name(f"{target.name}.sha256")
    if _is_sound(target, checksum):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may do the same work at a time; what either renames is whole.
    part = target.with_name(f".{target.stem}.{os.getpid()}.part")
    try:
        write(part)
        checksum.write_text(sha256_of(part), encoding="ascii")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _is_sound(target: Path, checksum: Path) -> bool:
    try:
        return sha256_of(target) == checksum.read_text(encoding="ascii")
    except OSError:
        return False
