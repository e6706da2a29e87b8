"""The default niches by name: each is the `NICHE` of a file under `niches/`.

Rule: they stand in the order of their data sets in `lab.datasets.sources`. A new set is added at
the end there, so a new niche comes last and moves no row of the others.
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
            raise ValueError(f"{name}.py: its niche is called {niche.name!r}; name both alike")
    places = {name: place for place, name in enumerate(DATASETS)}
    niches.sort(key=lambda niche: min(places[dataset] for dataset in niche.datasets))
    return MappingProxyType({niche.name: niche for niche in niches})


NICHES: Mapping[str, Niche] = _found()
