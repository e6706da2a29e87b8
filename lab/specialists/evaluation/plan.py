"""Who is asked what: from niches and model references to candidates, sets and a line-up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deployments.models.adapters import ADAPTERS, load_adapter
from deployments.models.errors import ModelError
from deployments.models.resolve import resolve
from lab.specialists.evaluation.candidate import Candidate, Weights, generalist, specialist
from lab.specialists.evaluation.matrix import Lineup
from lab.specialists.evaluation.prompts import FEW_SHOT, WAYS, ZERO_SHOT
from lab.specialists.evaluation.tasks import Task, general_task, niche_tasks
from lab.specialists.niches.niche import Example, Niche


@dataclass(frozen=True)
class Wanted:
    """What is to be compared.

    Attributes:
        niches: whose rows are asked, and whose specialists are compared.
        generalist: a model reference.
        data_dir: where the data sets lie.
        cache: where model files lie.
        rows: of each set at most.
        adapters: references of adapters by niche; the others are looked up by the niche's name.
        general: whether the general set is asked too.
        base_of_specialists: whether the specialists' bases are compared as further generalists.
    """

    niches: tuple[Niche, ...]
    generalist: str
    data_dir: Path
    cache: Path
    rows: int = 200
    adapters: Mapping[str, str] = field(default_factory=dict)
    general: bool = False
    base_of_specialists: bool = False


@dataclass(frozen=True)
class Plan:
    """All that is asked, and the order it is shown in; `notes` says what is missing."""

    candidates: tuple[Candidate, ...]
    tasks: tuple[Task, ...]
    lineup: Lineup
    notes: tuple[str, ...] = ()


def plan(wanted: Wanted, adapters: Path = ADAPTERS) -> Plan:
    """Specialists and generalists on the test rows.

    Args:
        wanted: what is to be compared.
        adapters: the folder of the adapters that are not named in `wanted.adapters`.

    Raises:
        ModelError: a model or an adapter cannot be had; an absent adapter that nobody named is a
            note.
        DatasetError: a data set is absent or altered.
    """
    specialists, notes = _specialists(wanted, adapters)
    rivals, bases = _generalists(wanted, specialists)
    tasks = [
        task for niche in wanted.niches for task in niche_tasks(niche, wanted.rows, wanted.data_dir)
    ]
    if wanted.general:
        tasks.append(general_task(wanted.rows, wanted.data_dir))
    candidates = (*specialists.values(), *rivals, *bases)
    names = tuple(of.name for of in candidates)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelError(f"two models are called {twice[0]!r} here; give one another path")
    lineup = Lineup(
        names,
        tuple(column for task in tasks for column in task.columns),
        {niche: of.name for niche, of in specialists.items()},
        tuple(of.name for of in rivals),
    )
    return Plan(candidates, tuple(tasks), lineup, tuple(notes))


def compare_ways(wanted: Wanted) -> Plan:
    """The generalist alone, asked in every way on the validation rows: what to choose a way by.

    Raises:
        ModelError: the generalist cannot be had.
        DatasetError: a data set is absent or altered.
    """
    weights = Weights(wanted.generalist, resolve(wanted.generalist, wanted.cache))
    train = _train_rows(wanted.data_dir)
    candidates = tuple(
        generalist(way.name, weights, way, train, general=False) for way in WAYS.values()
    )
    tasks = tuple(
        task
        for niche in wanted.niches
        for task in niche_tasks(niche, wanted.rows, wanted.data_dir, "validation")
    )
    names = tuple(of.name for of in candidates)
    columns = tuple(column for task in tasks for column in task.columns)
    return Plan(candidates, tasks, Lineup(names, columns, {}, names))


def _specialists(wanted: Wanted, folder: Path) -> tuple[dict[str, Candidate], list[str]]:
    found, notes = {}, []
    for niche in wanted.niches:
        named = wanted.adapters.get(niche.name)
        if named is None and not (folder / niche.name).is_dir():
            notes.append(
                f"{niche.name}: no adapter in {folder}; its specialist is missing here "
                f"(train it, or name one with --adapter {niche.name}=PATH)"
            )
            continue
        adapter = load_adapter(named or niche.name, folder)
        weights = Weights(adapter.base, resolve(adapter.base, wanted.cache), adapter)
        found[niche.name] = specialist(niche.name, weights, adapter.system_prompt)
    return found, notes


def _generalists(
    wanted: Wanted, specialists: Mapping[str, Candidate]
) -> tuple[list[Candidate], list[Candidate]]:
    """The generalist and, where wanted, the specialists' bases, each without and with examples."""
    references = [wanted.generalist]
    if wanted.base_of_specialists:
        references += [of.weights.reference for of in specialists.values()]
    train = _train_rows(wanted.data_dir)
    found: list[Candidate] = []
    for reference in dict.fromkeys(references):
        weights = Weights(reference, resolve(reference, wanted.cache))
        name = Path(reference).name
        found += [
            generalist(f"{name} zero-shot", weights, ZERO_SHOT, train, general=True),
            generalist(f"{name} few-shot", weights, FEW_SHOT, train, general=False),
        ]
    return found[:2], found[2:]


def _train_rows(data_dir: Path) -> Callable[[Niche], Sequence[Example]]:
    """Reads a niche's training rows once; several ways of asking take from them."""
    read: dict[str, Sequence[Example]] = {}

    def rows(niche: Niche) -> Sequence[Example]:
        if niche.name not in read:
            read[niche.name] = list(niche.examples("train", data_dir))
        return read[niche.name]

    return rows
