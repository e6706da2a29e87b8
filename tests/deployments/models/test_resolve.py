"""Model references: names, directories, hub ids, and the errors of each."""

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from deployments.models.cache import model_dir, write_record
from deployments.models.errors import ModelError
from deployments.models.resolve import resolve
from tests.deployments.models.wheels import build_wheel, locked


@pytest.fixture
def lock(tmp_path):
    folder = tmp_path / "origin"
    folder.mkdir()
    return {"tiny": locked(build_wheel(folder))}


def directory(path):
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    return path


def no_hub(hub_id):
    raise AssertionError("the hub must not be asked")


def test_a_name_is_found_in_the_cache(lock, tmp_path):
    """A pulled model is its cache directory."""
    folder = directory(model_dir(tmp_path, "tiny"))
    write_record(folder, lock["tiny"])
    assert resolve("tiny", tmp_path, lock=lock, snapshot=no_hub) == folder


@pytest.mark.parametrize("half", [False, True], ids=["absent", "without a record"])
def test_a_name_that_is_not_pulled_says_how(lock, tmp_path, half):
    """The remedy is a command; a directory without a record is not taken for a model."""
    if half:
        directory(model_dir(tmp_path, "tiny"))
    with pytest.raises(ModelError, match="niche models pull tiny"):
        resolve("tiny", tmp_path, lock=lock, snapshot=no_hub)


def test_a_directory_is_taken_as_it_is(lock, tmp_path):
    """A local directory needs only a configuration."""
    folder = directory(tmp_path / "mine")
    assert resolve(str(folder), tmp_path, lock=lock, snapshot=no_hub) == folder


def test_a_directory_without_a_model_is_refused(lock, tmp_path):
    """Any other directory is an error that says what is missing."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"empty.*config\.json"):
        resolve(str(tmp_path / "empty"), tmp_path, lock=lock, snapshot=no_hub)


def test_a_hub_id_is_asked_of_the_hub(lock, tmp_path):
    """What looks like org/name and is no directory comes from the hub."""
    folder = directory(tmp_path / "snapshot")
    asked = []

    def snapshot(hub_id):
        asked.append(hub_id)
        return str(folder)

    assert resolve("org/name-1.5B", tmp_path, lock=lock, snapshot=snapshot) == folder
    assert asked == ["org/name-1.5B"]


def test_an_unreachable_hub_is_said_clearly(lock, tmp_path):
    """Offline and not cached: the error says both."""

    def offline(hub_id):
        raise LocalEntryNotFoundError("long library text")

    with pytest.raises(ModelError, match="'org/name'"):
        resolve("org/name", tmp_path, lock=lock, snapshot=offline)


def test_a_hub_failure_keeps_its_cause(lock, tmp_path):
    """Whatever else the hub says is passed on."""

    def refused(hub_id):
        raise OSError("gated")

    with pytest.raises(ModelError, match="gated"):
        resolve("org/name", tmp_path, lock=lock, snapshot=refused)


@pytest.mark.parametrize("reference", ["nothing", "./gone/model", "/gone", "a/b/c", "../x"])
def test_anything_else_lists_the_known_names(lock, tmp_path, reference):
    """A mistyped name or path is not looked for on the hub."""
    with pytest.raises(ModelError, match="tiny"):
        resolve(reference, tmp_path, lock=lock, snapshot=no_hub)


def test_a_gguf_file_says_how_it_is_converted(lock, tmp_path):
    """A file is no model directory; the message gives the command that makes one."""
    file = tmp_path / "big.gguf"
    file.write_bytes(b"GGUF")

    with pytest.raises(ModelError, match=r"niche models convert .*big\.gguf --out DIR"):
        resolve(str(file), tmp_path, lock=lock)
