"""What each key may on a running stack of several gateway replicas."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.conftest import ROOT, Stack, eventually, running

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # it needs a stack of its own

KEYS = "asks\ngrader grades\ngrader grades-too\noperator operates\n"
SQL = "Columns: name, country, year of birth\nQuestion: Which singers are from France?"
CHAT = {"model": "auto", "max_tokens": 4, "messages": [{"role": "user", "content": SQL}]}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two models that answer at once and are compared on every request."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys").write_text(KEYS)
    config = yaml.safe_load((ROOT / "niche.yaml").read_text(encoding="utf-8"))
    fake = {"model": "none", "engine": "fake", "resources": {"num_cpus": 0.1}}
    evidence = {"path": "evidence.db", "sample_ratio": 1, "store_texts": True, "max_concurrent": 32}
    stated = {
        "generalist": {"name": "generalist", **fake},
        "specialists": [{"name": "sql", "domain": "sql", **fake}],
        "router": config.get("router", {}),
        "gateway": {"api_keys_file": "keys", "replicas": 2, "shadow": evidence},
    }
    (folder / "niche.yaml").write_text(yaml.safe_dump(stated), encoding="utf-8")
    with running(folder / "niche.yaml") as stack:
        yield stack


def call(stack: Stack, key: str, method: str, path: str, **more: Any) -> httpx.Response:
    """A request with a key; any of the replicas answers."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.request(method, f"{stack.url}{path}", headers=headers, timeout=60, **more)


def ask(stack: Stack, key: str) -> str:
    """The id of an answer that is being compared."""
    answer = call(stack, key, "POST", "/v1/chat/completions", json=CHAT)
    assert answer.headers["x-niche-model"] == "sql"
    return answer.headers["x-request-id"]


def score(stack: Stack, key: str, name: str, **more: Any) -> int:
    """The status of a score of nought."""
    said = {"request_id": name, "score": 0, **more}
    return call(stack, key, "POST", "/v1/feedback", json=said).status_code


def pair(stack: Stack, key: str, name: str) -> int:
    """The status of a look at both answers."""
    return call(stack, key, "GET", f"/v1/niche/pairs/{name}").status_code


def specialist(stack: Stack) -> dict[str, Any]:
    """Its evidence."""
    [found] = call(stack, "asks", "GET", "/v1/niche/evidence").json()["specialists"]
    return found


def test_forged_scores_change_nothing(stack: Stack) -> None:
    """Of a key that may not grade, and of one that may, of another's answers."""
    before = specialist(stack)
    names = [ask(stack, "asks") for _ in range(10)]
    assert all(eventually(lambda name=name: pair(stack, "operates", name) == 200) for name in names)

    assert {score(stack, "asks", name) for name in names} == {403}
    assert {pair(stack, "asks", name) for name in names} == {403}
    assert {score(stack, "grades", name) for name in names} == {404}
    assert {pair(stack, "grades", name) for name in names} == {404}
    after = specialist(stack)
    assert (after["state"], after["pairs"]) == (before["state"], before["pairs"])


def test_a_grader_grades_its_own_answers(stack: Stack) -> None:
    """Which another grader does not even see; an operator sees and grades them all."""
    before = specialist(stack)["pairs"]
    one, other = ask(stack, "grades"), ask(stack, "grades")
    assert all(
        eventually(lambda name=name: pair(stack, "grades", name) == 200) for name in (one, other)
    )
    assert [pair(stack, "grades-too", name) for name in (one, "unknown")] == [404, 404]

    for key, name in (("grades", one), ("operates", other)):
        assert score(stack, key, name) == score(stack, key, name, model="generalist") == 200
    assert specialist(stack)["pairs"] == before + 2
