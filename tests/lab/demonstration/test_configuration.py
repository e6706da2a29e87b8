"""The configuration of a phase."""

import copy
from pathlib import Path

import pytest

from gateway.config import NicheConfig
from gateway.evidence.states import version_of
from lab.comparison.errors import ComparisonError
from lab.demonstration.configuration import (
    Planted,
    Upstream,
    configured,
    read_configuration,
    read_planted,
)

OURS = Path(__file__).parents[3] / "niche.yaml"
PLANTED = Planted("biomed", "tools")


def made(generalist=None, planted=PLANTED, raw=None):
    raw = raw or read_configuration(OURS)
    return configured(raw, planted, generalist, Path("/nowhere/evidence.db"), 4)


def test_one_specialist_has_the_adapter_of_another_niche() -> None:
    """The others, and the operator's own file, stay as they are."""
    raw = read_configuration(OURS)
    before = copy.deepcopy(raw)

    config = NicheConfig.model_validate(made(raw=raw))

    adapters = {spec.domain: spec.adapter for spec in config.specialists}
    assert adapters == {name: name for name in adapters} | {"biomed": "tools"}
    assert raw == before


def test_the_statistics_are_as_configured() -> None:
    """More is compared; alpha and margin are untouched, and so is the rest of the gateway."""
    ours = NicheConfig.model_validate(read_configuration(OURS))

    config = NicheConfig.model_validate(made())

    assert config.router == ours.router
    shadow = config.gateway.shadow
    assert shadow is not None
    assert (shadow.sample_ratio, shadow.trial_sample_ratio, shadow.store_texts) == (1, 1, True)
    assert config.gateway.model_copy(update={"shadow": None}) == ours.gateway


@pytest.mark.parametrize(
    ("wanted", "engine", "model"),
    [
        pytest.param(None, "transformers", "smollm2-135m-instruct", id="own"),
        pytest.param("another", "transformers", "another", id="model"),
        pytest.param(Upstream("oracle:1", "http://127.0.0.1:1/v1"), "openai", "oracle:1", id="url"),
    ],
)
def test_the_generalist_is_exchanged(wanted, engine, model) -> None:
    """Under the same name, at the same price."""
    config = NicheConfig.model_validate(made(wanted))

    found, ours = config.generalist, NicheConfig.model_validate(made()).generalist
    assert (found.engine, found.model) == (engine, model)
    assert (found.name, found.price) == (ours.name, ours.price)


def test_a_swap_begins_evidence_anew() -> None:
    """What the gateway keeps evidence about changes with the generalist, and only its side."""
    versions = []
    for name in ("oracle:0.3", "oracle:0.9"):
        config = NicheConfig.model_validate(made(Upstream(name, "http://127.0.0.1:1/v1")))
        shadow, selection = config.gateway.shadow, config.router.selection
        versions.append(version_of(config.specialists[0], config.generalist, shadow, selection))

    before, after = versions
    assert before.specialist == after.specialist
    assert before.baseline != after.baseline


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"planted": Planted("law", "sql")}, "no specialist has .*'law'", id="domain"),
        pytest.param(
            {"raw": {"specialists": [{"domain": "sql"}] * 2, "generalist": {}}},
            "sql: several specialists",
            id="several",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(change, told) -> None:
    """With what would do."""
    with pytest.raises(ComparisonError, match=told):
        made(**change)


def test_a_planted_specialist_is_named_with_its_adapter() -> None:
    """Anything else is told its form."""
    assert read_planted("biomed=tools") == PLANTED
    with pytest.raises(ComparisonError, match="write DOMAIN=ADAPTER"):
        read_planted("biomed")


@pytest.mark.parametrize("text", ["[", "- a list", "generalist: {}"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text) -> None:
    """By its name."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ComparisonError, match=r"bad\.yaml"):
        read_configuration(path)
