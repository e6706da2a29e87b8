"""`gateway.authentication`: keys."""

import pytest

from gateway.authentication import ApiKeys, Role
from tests.gateway.stacks import CHAT, make_gateway


@pytest.fixture
def gateway(tmp_path):
    path = tmp_path / "keys"
    path.write_text("first-key\n\n  s\u00e9cond-key \n", encoding="utf-8")
    return make_gateway(api_keys_file=str(path))


@pytest.mark.parametrize("key", ["first-key", pytest.param("s\u00e9cond-key", id="accent")])
def test_each_key_of_the_file_is_accepted(tmp_path, key):
    """Every line of the file is a key."""
    path = tmp_path / "keys"
    path.write_text("first-key\n\n  s\u00e9cond-key \n", encoding="utf-8")

    assert ApiKeys.from_file(path).role_of(key.encode()) is Role.CALLER


def test_a_mark_at_the_files_start_is_no_part_of_its_first_key(tmp_path):
    """Some editors write it."""
    path = tmp_path / "keys"
    path.write_text("first-key\noperator operates\n", encoding="utf-8-sig")
    keys = ApiKeys.from_file(path)

    assert keys.role_of(b"first-key") is Role.CALLER
    assert keys.role_of(b"operates") is Role.OPERATOR


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic first-key"])
async def test_other_requests_are_refused(gateway, header):
    """Without an accepted bearer key there is a 401 in OpenAI's shape."""
    response = await gateway.post(CHAT, authorization=header)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_lets_in(gateway):
    """A request with a key is answered."""
    response = await gateway.post(CHAT, authorization="bearer first-key")

    assert response.status_code == 200


async def test_a_key_of_anthropics_clients_lets_in(gateway):
    """It may come in their header too; one of the kind that others use comes first."""
    answered = await gateway.post(CHAT, **{"x-api-key": "first-key"})
    refused = await gateway.post(CHAT, **{"x-api-key": "first-key", "authorization": "Bearer no"})

    assert (answered.status_code, refused.status_code) == (200, 401)


@pytest.fixture
def marked(tmp_path):
    """A gateway with a key of each kind, each called after what it may."""
    path = tmp_path / "keys"
    path.write_text("asks\n  grader\tgrades \noperator operates\n")
    return make_gateway(api_keys_file=str(path))


GRADING = [("POST", "/v1/feedback"), ("GET", "/v1/niche/pairs/r1")]
OPERATING = [
    ("POST", "/v1/niche/lifecycle/sql-model"),
    ("POST", "/v1/niche/specialists"),
    ("DELETE", "/v1/niche/specialists/sql-model"),
]


async def ask(gateway, key, method, path):
    """The status and the code of a request with a key."""
    async with gateway.client() as client:
        client.headers["authorization"] = f"Bearer {key}"
        answer = await client.request(method, path)
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(("method", "path"), [*GRADING, *OPERATING])
@pytest.mark.parametrize("key", ["asks", "grades", "operates"])
async def test_each_kind_of_key_may_do_its_own(marked, method, path, key):
    """Whoever may do it hears that nothing is compared, or changed, here; others are forbidden."""
    may = key == "operates" or (key == "grades" and (method, path) in GRADING)

    status, code = await ask(marked, key, method, path)

    assert (status, code) == (403, "permission_denied") if not may else status == 409


@pytest.mark.parametrize("key", ["asks", "grades", "operates"])
async def test_every_key_may_ask(marked, key):
    """Whatever else it may."""
    assert (await marked.post(CHAT, authorization=f"Bearer {key}")).status_code == 200


@pytest.mark.parametrize(("method", "path"), [*GRADING, *OPERATING])
async def test_what_no_key_is_named_for_no_key_may(gateway, method, path):
    """A file that names neither graders nor operators has none."""
    assert await ask(gateway, "first-key", method, path) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/v1/feedback", ("`grader KEY`", "`operator KEY`")),
        ("/v1/niche/specialists", ("`operator KEY`",)),
    ],
)
async def test_the_error_names_the_line_that_is_missing(gateway, path, lines):
    """And the file's key in niche.yaml; it asks for no other credentials."""
    response = await gateway.post({}, path, authorization="Bearer first-key")

    message = response.json()["error"]["message"]
    assert "gateway.api_keys_file" in message
    assert all(line in message for line in lines)
    assert "www-authenticate" not in response.headers


@pytest.mark.parametrize(("method", "path"), [*GRADING, *OPERATING])
async def test_an_unknown_key_is_not_accepted_wherever_it_goes(marked, method, path):
    """401, and not 403, is for keys that nobody knows."""
    assert await ask(marked, "nobody", method, path) == (401, "invalid_api_key")


@pytest.mark.parametrize(("method", "path"), [*GRADING, *OPERATING])
async def test_without_keys_everybody_may_do_everything(method, path):
    """As on a laptop, where all callers are one."""
    assert (await ask(make_gateway(), "any", method, path))[0] == 409


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("one", Role.CALLER),
        ("grader one", Role.GRADER),
        ("operator one", Role.OPERATOR),
        ("one\noperator one\ngrader one", Role.OPERATOR),
    ],
    ids=["plain", "grader", "operator", "all of them"],
)
def test_a_line_says_what_its_key_may(tmp_path, line, role):
    """One that stands there several times may what any of its lines says."""
    (tmp_path / "keys").write_text(line)

    assert ApiKeys.from_file(tmp_path / "keys").role_of(b"one") is role


@pytest.mark.parametrize(
    "line", ["operator", "grader", "Operator s3cret", "operator s3cret s3cret", "s3cret key"]
)
def test_a_line_that_is_none_is_an_error(tmp_path, line):
    """A mark without its key, as of an empty variable, would be a key that everybody guesses. The
    error says where it is, and shows nothing of it."""
    (tmp_path / "keys").write_text(f"a-key\n\n{line}\n")

    with pytest.raises(ValueError, match="line 3") as raised:
        ApiKeys.from_file(tmp_path / "keys")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_probes_need_no_key(gateway, path):
    """Probes and metrics are open."""
    assert (await gateway.get(path)).status_code == 200


def test_an_empty_file_is_an_error():
    """A file without keys would lock everybody out: it is refused at the start."""
    with pytest.raises(ValueError, match=r"gateway\.api_keys_file"):
        ApiKeys([])


def test_keys_are_not_shown():
    """Nothing that prints the keys' holder prints a key."""
    keys = ApiKeys(["secret"], ["secret-too"], ["secret-three"])

    assert "secret" not in repr(vars(keys))
