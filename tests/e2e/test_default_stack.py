"""The whole default stack, whose specialists are one process: needs model files."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from lab.specialists.registry import NICHES
from tests.e2e.conftest import ROOT, Stack, running
from tests.e2e.samples import BEGINNINGS
from tests.mean_pooled import cosines

pytestmark = [pytest.mark.serve, pytest.mark.chaos]  # it needs a stack of its own


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    config = yaml.safe_load((ROOT / "niche.yaml").read_text(encoding="utf-8"))
    config["gateway"]["replicas"] = 1
    path: Path = tmp_path_factory.mktemp("default") / "niche.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    with running(path) as stack:
        yield stack


def test_five_specialists_are_one_process(stack: Stack) -> None:
    """The base's, which is the pool's name; the generalist has its own, and so have embeddings."""
    assert sorted(stack.replicas()) == [
        *("all-minilm-l6-v2", "gateway", "generalist", "smollm2-135m-instruct")
    ]


def test_texts_are_embedded_at_once(stack: Stack) -> None:
    """Nothing is to be configured; a text is nearest to the one that says the same."""
    texts = ["How do I bake bread?", "a recipe for a loaf", "the price of a bond"]
    asked = {"model": "all-minilm-l6-v2", "input": texts}
    answer = httpx.post(f"{stack.url}/v1/embeddings", json=asked, timeout=60).json()
    bread, loaf, bond = (item["embedding"] for item in answer["data"])

    assert len(bread) == 384
    [near], [far] = cosines([bread], [loaf]), cosines([bread], [bond])
    assert near > far + 0.2


@pytest.mark.parametrize("domain", BEGINNINGS)
def test_a_request_of_a_domain_is_answered_by_its_adapter(stack: Stack, domain: str) -> None:
    """Routed by what it says, and counted for that model alone."""
    before = {name: stack.load(name)["completed"] for name in BEGINNINGS}
    asked = {"model": "auto", "messages": [{"role": "user", "content": NICHES[domain].sample}]}
    answer = httpx.post(f"{stack.url}/v1/chat/completions", json=asked, timeout=60)
    after = {name: stack.load(name)["completed"] for name in BEGINNINGS}

    assert answer.json()["model"] == domain
    assert answer.json()["choices"][0]["message"]["content"].startswith(BEGINNINGS[domain])
    assert after == before | {domain: before[domain] + 1}
