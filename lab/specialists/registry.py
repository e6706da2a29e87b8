"""The default niches by name: each is the `NICHE` of a file under `niches/`.

Rule: they are ordered as their data sets in `lab.datasets.sources`. New sets are appended there, so
a new niche comes last and does not reorder the others' rows.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from lab.datasets.sources import DATASETS
from lab.specialists.niche import Niche

_FOLDER = Path(__file__).parent / "niches"


def _found() -> Mapping[str, Niche]:
    names = sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__")
    niches = [import_module(f"lab.specialists.niches.{name}").NICHE for name in names]
    for name, niche in zip(names, niches, strict=True):
        if niche.name != name:
            raise ValueError(
                f"{name}.py: its niche is called {niche.name!r}; give both the same name"
            )
    places = {name: place for place, name in enumerate(DATASETS)}
    niches.sort(key=lambda niche: min(places[dataset] for dataset in niche.datasets))
    return MappingProxyType({niche.name: niche for niche in niches})


NICHES: Mapping[str, Niche] = _found()
