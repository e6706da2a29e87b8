"""Reads YAML that people write: stricter than PyYAML, which drops all but the last of equal keys.

Of two sections `gateway`, the first would be ignored, with the keys that clients need in it.
"""

from typing import Any

import yaml
from typing_extensions import override

_MERGE = "tag:yaml.org,2002:merge"
"""The tag of `<<`, each of which adds to the others."""


class DuplicateKey(yaml.YAMLError):
    """A mapping has a key twice; the message names the key and both lines."""


class StrictLoader(yaml.SafeLoader):
    """As `yaml.SafeLoader`, but for `DuplicateKey`.

    Nodes are checked as they are composed: merges have not yet added keys to them that may stand
    there as well.
    """

    @override
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            line, known = key.start_mark.line + 1, (key.tag, key.value)
            if known in lines:
                raise DuplicateKey(
                    f"line {line}: the key {key.value!r} is already in line {lines[known]}; "
                    "keep one of them"
                )
            lines[known] = line
        return node


def load_yaml(text: str) -> Any:
    """What a text says, as `yaml.safe_load`.

    Raises:
        DuplicateKey: a mapping has a key twice.
        yaml.YAMLError: it is not YAML.
    """
    return yaml.load(text, Loader=StrictLoader)
