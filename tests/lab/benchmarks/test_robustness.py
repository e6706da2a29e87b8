"""The robustness prompts: their data, and the figures made of destinations."""

from collections import defaultdict

import numpy as np
import pytest

from deployments.protocol import Message
from lab.benchmarks.robustness import (
    RECALL_BARS,
    ROUTED_BARS,
    RobustnessPrompt,
    read_prompts,
    robustness,
)
from router.types import GENERAL, Query
from tests.test_architecture import run_python


@pytest.fixture(scope="module")
def prompts():
    return read_prompts()


def prompt(name, domain, kind):
    return RobustnessPrompt(name, Query((Message("user", name),)), domain, kind)


def figures_of(result):
    return {figure.name: figure.value for figure in result.figures}


def test_every_target_has_prompts(prompts):
    """A target whose kind has another name in the data would be shown nowhere."""
    niche = {prompt.kind for prompt in prompts if prompt.domain != GENERAL}
    general = {prompt.kind for prompt in prompts if prompt.domain == GENERAL}
    assert niche >= RECALL_BARS.keys()
    assert general >= ROUTED_BARS.keys()


def test_an_id_names_one_conversation(prompts):
    """Answers of an endpoint are kept by it."""
    said = defaultdict(set)
    for prompt in prompts:
        said[prompt.id].add((prompt.query, prompt.domain, prompt.kind))
    assert [name for name, found in said.items() if len(found) > 1] == []


def test_recall_and_wrong_routing_are_counted_by_kind():
    """Another niche's specialist is a miss; for a general prompt any specialist is wrong."""
    given = [
        *(prompt(f"{domain} {at}", domain, "natural") for domain in NICHES for at in range(2)),
        prompt("a", "sql", "typos"),
        prompt("b", "sql", "typos"),
        prompt("c", GENERAL, "near miss"),
        prompt("d", GENERAL, "near miss"),
    ]
    went = {"sql 0": "sql", "a": "sql", "b": "tools", "c": "math"}

    found = figures_of(
        robustness(
            lambda queries: np.array([went.get(q.messages[0].content, GENERAL) for q in queries]),
            given,
        )
    )

    assert found["natural sql: recall"] == 0.5
    assert found["natural tools: recall"] == 0.0
    assert found["typos: recall"] == 0.5
    assert found["near miss: routed"] == 0.5
    assert "natural: recall" not in found


NICHES = ("biomed", "math", "sql", "support", "tools")


def test_other_routers_are_measured_without_this_one():
    """Neither a model runtime, nor training, nor the router itself is imported."""
    code = (
        "import sys, lab.benchmarks.robustness_endpoint\n"
        "heavy = {'torch', 'transformers', 'ray', 'onnxruntime', 'sklearn', 'pydantic',"
        " 'lab.routing', 'lab.specialists', 'router.classifier', 'router.trained'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )

    done = run_python(code)

    assert done.stdout.strip() == "[]", done.stdout + done.stderr
