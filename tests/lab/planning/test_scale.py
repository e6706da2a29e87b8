"""docs/scale.md: its model beside the measurement, its tables, and its premises."""

from pathlib import Path

import numpy as np
import pytest

from deployments.limiter import USUAL_SLOTS
from deployments.spec import ModelSpec
from gateway.config import GatewaySection
from gateway.dependencies import Dependencies
from gateway.shadow_config import ShadowSection
from lab.planning.errors import PlanError
from lab.planning.scale import (
    CLIENTS,
    Scenario,
    Shipped,
    costs,
    ladder,
    predicted,
    steps,
    tables,
    written,
)
from lab.planning.serving import FORWARDED, IN_REPLICA, Serving
from lab.statistics.table import Table
from router.config import RouterConfig

DOCS = Path(__file__).parents[3] / "docs"
SERVING = Serving((DOCS / "results" / "serving.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("clients", CLIENTS)
@pytest.mark.parametrize("way", [FORWARDED, IN_REPLICA], ids=["forwarded", "in-replica"])
@pytest.mark.parametrize("arm", ["named", "auto"])
def test_the_model_is_as_near_to_the_measurement_as_the_document_says(arm, way, clients) -> None:
    """Rates within 24 %, and the median latency within 32 %, rounded."""
    run = predicted(SERVING, arm, way, clients)

    assert run.rate == pytest.approx(SERVING.rate(arm, way, clients), rel=0.245)
    assert np.median(run.latencies) == pytest.approx(SERVING.p50(arm, way, clients), rel=0.325)


def test_the_document_has_the_tables_of_the_command() -> None:
    """`python -m lab.planning.scale --write docs/scale.md` writes them; then read the prose."""
    text = (DOCS / "scale.md").read_text(encoding="utf-8")

    assert written(text, tables(SERVING)) == text


def test_streams_fill_the_gateway_first_and_whole_answers_the_busiest_models_limit() -> None:
    """As shipped; and the limits are in order."""
    rows = ladder(SERVING, Scenario(), Shipped()).rows
    rates = [float(row[2].replace(",", "")) for row in rows]

    assert rates == sorted(rates)
    assert [row[0] for row in rows[:3]] == [
        "gateway's processes, auto, streams",
        "busiest model's limits.max_ongoing_requests",
        "gateway's processes, auto, whole answers",
    ]


def test_choosing_the_model_takes_most_of_a_whole_answer_and_tokens_most_of_a_stream() -> None:
    """Of the gateway's time."""
    of, scenario = costs(SERVING), Scenario()

    assert of.classify > of.request
    assert scenario.tokens * of.token > of.classify + of.request


def test_models_at_half_their_capacity_carry_twice_the_traffic() -> None:
    """And no more."""
    lost = [row[1] for row in steps(Scenario(), Shipped()).rows]

    assert lost[0] == "0"
    assert "0" not in lost[1:]


def test_what_is_shipped_is_what_the_settings_default_to() -> None:
    """The document computes from them."""
    shipped, gateway = Shipped(), GatewaySection()
    scaling = ModelSpec.model_validate({"name": "m", "model": "m", "autoscaling": {}}).autoscaling

    assert shipped.replicas == gateway.replicas
    assert shipped.max_concurrent_requests == gateway.max_concurrent_requests
    assert shipped.max_ongoing_requests == USUAL_SLOTS
    assert shipped.cached_scores == RouterConfig().cached_scores
    assert shipped.feedback_hours == ShadowSection(path="evidence.db").feedback_hours
    assert scaling is not None
    assert shipped.upscale_delay_seconds == scaling.upscale_delay_seconds
    readiness = Dependencies.__dataclass_fields__["readiness_interval_seconds"]
    assert shipped.readiness_seconds == readiness.default


def test_a_document_without_a_place_for_a_table_is_refused() -> None:
    """The table is named."""
    with pytest.raises(PlanError, match="costs"):
        written("no marks", {"costs": Table(("a",), (("1",),))})
