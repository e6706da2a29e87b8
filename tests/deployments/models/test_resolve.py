"""Model references: names, directories, hub ids, and the errors of each."""

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils import filter_repo_objects

from deployments.models.cache import model_dir, write_record
from deployments.models.errors import ModelError
from deployments.models.gguf_file import is_gguf
from deployments.models.resolve import hub_snapshot, resolve
from deployments.models.resolve_gguf import resolve_gguf
from tests.deployments.models.wheels import build_wheel, locked
from tests.router.encoders.tiny_bert import tiny_bert


@pytest.fixture
def lock(tmp_path):
    folder = tmp_path / "origin"
    folder.mkdir()
    return {"tiny": locked(build_wheel(folder))}


def directory(path):
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    return path


def no_hub(*asked):
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


def test_the_hub_is_asked_for_what_engines_read():
    """Configuration, tokenizer, template and weights; no code, no pickles, and no weights twice."""
    wanted = [
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer.model"),
        *("merges.txt", "chat_template.jinja", "model.safetensors.index.json"),
        *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
    ]
    others = ["pytorch_model.bin", "modeling.py", "original/model.safetensors", "original/a.pth"]

    def download(hub_id, **patterns):
        return hub_id, list(filter_repo_objects([*wanted, *others], **patterns))

    assert hub_snapshot("org/name", download) == ("org/name", wanted)


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


@pytest.mark.parametrize("pulled", [True, False], ids=["whole", "of an older version"])
def test_a_name_is_found_as_a_gguf_file(tmp_path, pulled):
    """The file that the lock names, beside what was converted from it."""
    file = {"tiny.gguf": b"GGUF"}
    lock = {"tiny": locked(build_wheel(tmp_path, file), file, "gguf")}
    folder = directory(model_dir(tmp_path, "tiny"))
    if pulled:
        (folder / "tiny.gguf").write_bytes(b"GGUF")
    write_record(folder, lock["tiny"])

    if pulled:
        found = resolve_gguf("tiny", tmp_path, lock=lock, download=no_hub)
        assert found == folder / "tiny.gguf"
    else:
        with pytest.raises(ModelError, match="niche models pull tiny"):
            resolve_gguf("tiny", tmp_path, lock=lock, download=no_hub)


def test_a_local_gguf_file_is_taken_as_it_is(lock, tmp_path):
    """Whatever its name."""
    file = tmp_path / "mine"
    file.write_bytes(b"GGUF...")

    assert resolve_gguf(str(file), tmp_path, lock=lock, download=no_hub) == file


@pytest.mark.parametrize("reference", ["org/name", "gone.gguf", "text.txt", "org/a:b.bin"])
def test_what_is_no_gguf_file_is_refused(lock, tmp_path, monkeypatch, reference):
    """The message names what would do, and the engine that serves the others."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("no model")

    with pytest.raises(ModelError, match=r"org/name:file\.gguf.*engine: vllm"):
        resolve_gguf(reference, tmp_path, lock=lock, download=no_hub)


def test_an_encoder_is_converted(lock, tmp_path, monkeypatch):
    """From a directory, or by its name once it was pulled."""
    folder = tiny_bert(tmp_path / "bert")
    found = resolve_gguf(str(folder), tmp_path, lock=lock, download=no_hub)
    assert is_gguf(found)

    with pytest.raises(ModelError, match="niche models pull tiny"):
        resolve_gguf("tiny", tmp_path, lock=lock, download=no_hub)
    tiny_bert(model_dir(tmp_path, "tiny"))
    write_record(model_dir(tmp_path, "tiny"), lock["tiny"])
    assert resolve_gguf("tiny", tmp_path, lock=lock, download=no_hub) == found


def test_a_directory_of_a_language_model_is_not_converted(lock, tmp_path):
    """The message names the key and the engine for it."""
    folder = tiny_bert(tmp_path / "llama", model_type="llama")

    with pytest.raises(ModelError, match=r"model_type 'llama'.*engine: vllm"):
        resolve_gguf(str(folder), tmp_path, lock=lock, download=no_hub)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        pytest.param("sub/m-q4.gguf", ["sub/m-q4.gguf"], id="one file"),
        pytest.param(
            "m-00001-of-00003.gguf",
            ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"],
            id="several",
        ),
    ],
)
def test_a_file_of_the_hub_is_asked_of_the_hub(lock, tmp_path, name, asked):
    """With all its parts."""
    seen = []

    def download(hub_id, file):
        seen.append((hub_id, file))
        return str(tmp_path / file)

    found = resolve_gguf(f"org/name-GGUF:{name}", tmp_path, lock=lock, download=download)

    assert found == tmp_path / name
    assert seen == [("org/name-GGUF", file) for file in asked]


def test_a_file_of_the_hub_is_no_model_directory(lock, tmp_path):
    """The message names the engine that serves it."""
    with pytest.raises(ModelError, match="engine: llama"):
        resolve("org/name:file.gguf", tmp_path, lock=lock, snapshot=no_hub)
