"""What three sets of values render, by object: `python -m tests.helm.goldens` writes it anew.

Rule: the difference is read before it is committed.
"""

from pathlib import Path
from typing import Any

import yaml

from tests.helm.charts import rendered

GOLDEN = Path(__file__).parent / "golden"
SETS = ("defaults", "values-cpu", "values-gpu-vllm")


class _Readable(yaml.SafeDumper):
    """Shows long texts line by line, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def golden(values: str) -> str:
    """The objects of a set of values, sorted by kind and name."""
    objects = sorted(
        rendered(values).objects, key=lambda item: (item["kind"], item["metadata"]["name"])
    )
    return yaml.dump_all(objects, Dumper=_Readable, width=100)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in SETS:
        (GOLDEN / f"{name}.yaml").write_text(golden(name), encoding="utf-8")
