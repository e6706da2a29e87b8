"""The manifest of data sets: believed only with their checksum, and never without a home."""

import os
import re
from pathlib import Path

import pytest

from lab.datasets.manifest import DatasetError, read_rows, read_text
from lab.datasets.sources import DATASETS

CLOSED = re.compile(r"\b(NC|SA|ND)\b|none stated")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_an_entry_names_its_home_licence_and_checksum(name: str) -> None:
    """Nobody has to ask where a data set is from, what may be done with it, or which file it is."""
    entry = DATASETS[name]

    assert entry.source
    assert entry.licence
    assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
    assert not Path(entry.path).is_absolute()


def test_what_may_not_be_passed_on_is_marked() -> None:
    """Sets without a licence, non-commercial and share-alike ones alone do not ship in weights."""
    closed = {name for name, entry in DATASETS.items() if CLOSED.search(entry.licence)}

    assert closed == {name for name, entry in DATASETS.items() if not entry.ship}


def test_no_file_is_listed_twice() -> None:
    """Two names are two files."""
    assert len({entry.path for entry in DATASETS.values()}) == len(DATASETS)
    assert len({entry.sha256 for entry in DATASETS.values()}) == len(DATASETS)


def test_an_unknown_name_lists_the_known(tmp_path: Path) -> None:
    """The error names what there is."""
    with pytest.raises(DatasetError, match=r"'poems'.*snips.*wikisql"):
        read_text("poems", tmp_path)


def test_an_absent_file_says_where_to_get_it(tmp_path: Path) -> None:
    """The error names the path, the set's home and the option that changes the directory."""
    with pytest.raises(DatasetError) as absent:
        next(read_rows("snips", tmp_path))

    entry = DATASETS["snips"]
    for said in (str(tmp_path / entry.path), entry.source, "--data-dir"):
        assert said in str(absent.value)


def test_an_altered_file_is_refused_before_a_row_is_read(tmp_path: Path) -> None:
    """A file of another checksum gives no rows; both checksums are named."""
    entry = DATASETS["self_instruct"]
    path = tmp_path / entry.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"instruction": "not the file"}\n')

    with pytest.raises(DatasetError, match=entry.sha256):
        next(read_rows("self_instruct", tmp_path))


@pytest.mark.data
@pytest.mark.parametrize("name", sorted(DATASETS))
def test_the_real_file_is_the_one_that_is_meant(name: str) -> None:
    """Every data set that is here can be read; one that is not skips aloud."""
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    if not (Path(where) / DATASETS[name].path).is_file():
        pytest.skip(f"{DATASETS[name].path} is not in {where}")

    first, *_ = read_text(name, Path(where)).lstrip().splitlines()
    assert "," in first if ".csv" in DATASETS[name].path else first[0] in "{["
