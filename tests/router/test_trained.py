"""What a training learns: parts that fit together, and what their rows can guarantee."""

from dataclasses import replace

import numpy as np
import pytest

from router.config import GuaranteeConfig
from router.errors import GuaranteeError
from router.trained import Calibration, Exemplars

NONE = np.full(400, np.nan)


def calibration(excess_loss=NONE):
    """Rows of rising confidence, of which the lowest quarter is misrouted."""
    confidence = np.linspace(0.5, 1.0, 400)
    return Calibration(
        confidence=confidence,
        misroute=confidence < 0.625,
        excess_loss=excess_loss,
        grid=np.linspace(0.95, 0.5, 10),
    )


def test_a_guarantee_on_misroutes_is_made_from_the_misroutes():
    """The threshold leaves out the confidences at which rows are misrouted, and few others."""
    found = calibration().guarantee(GuaranteeConfig(alpha=0.05))
    assert 0.6 <= found.threshold <= 0.7
    assert found.observed < 0.05


def test_a_guarantee_on_the_excess_loss_uses_the_paired_rows_alone():
    """Rows without paired outcomes do not count."""
    paired = np.where(np.arange(400) % 2 == 0, -0.5, np.nan)
    right = replace(calibration(paired), misroute=np.zeros(400, np.bool_))
    found = right.guarantee(GuaranteeConfig(alpha=0.1, risk="excess_loss"))
    assert found.rows == 200
    assert found.threshold == 0.5


def test_a_wrong_route_is_the_worst_excess_loss():
    """A specialist that is not the row's own has no outcome there, and is given no credit."""
    found = calibration(np.full(400, -0.5)).guarantee(
        GuaranteeConfig(alpha=0.1, risk="excess_loss")
    )
    assert found.rows == 400
    alone = replace(calibration(np.full(400, -0.5)), misroute=np.ones(400, np.bool_))
    wrong = alone.guarantee(GuaranteeConfig(alpha=0.1, risk="excess_loss"))
    assert wrong.threshold is None
    assert wrong.bound > 0.9


@pytest.mark.parametrize(
    ("max_misrouted", "threshold"),
    [(0.001, 0.65), (0.07, 0.6), (0.17, 0.55), (0.26, 0.5)],
)
def test_the_lowest_threshold_within_a_share_of_misrouted_rows_is_found(max_misrouted, threshold):
    """A larger share routes more; rows that no specialist would get do not count."""
    rows = calibration()
    nobody = Calibration(
        np.append(rows.confidence, -np.inf),
        np.append(rows.misroute, True),
        np.full(401, np.nan),
        rows.grid,
    )
    for found in (rows, nobody):
        assert found.threshold(max_misrouted) == pytest.approx(threshold)


def test_where_no_threshold_suffices_the_strictest_is_used():
    """It routes the fewest requests."""
    all_wrong = replace(calibration(), misroute=np.ones(400, np.bool_))
    assert all_wrong.threshold(0.05) == 0.95


def test_without_paired_outcomes_there_is_no_such_guarantee():
    """The error names the fields that rows need."""
    with pytest.raises(GuaranteeError, match=r"specialist_score.*generalist_score"):
        calibration().guarantee(GuaranteeConfig(alpha=0.1, risk="excess_loss"))


def test_without_calibration_rows_there_is_no_guarantee():
    """The error asks for rows."""
    empty = Calibration(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0), np.array([0.5]))
    with pytest.raises(GuaranteeError, match="misroute"):
        empty.guarantee(GuaranteeConfig(alpha=0.1))


def test_calibration_columns_of_different_length_are_refused():
    """Each row has all three."""
    with pytest.raises(ValueError, match=r"400.*3"):
        replace(calibration(), misroute=np.zeros(3, np.bool_))


def test_exemplars_of_different_length_are_refused():
    """Each exemplar has a text, a domain and a vector."""
    with pytest.raises(ValueError, match=r"1.*2.*2"):
        Exemplars(("a",), ("sql", "sql"), np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("part", ["exemplars", "ood"])
def test_parts_of_different_dimensions_are_refused(trained, part):
    """The error names the part that does not fit the head."""
    whole = trained[1].trained
    odd = {
        "exemplars": Exemplars(("a",), ("sql",), np.zeros((1, 3), np.float32)),
        "ood": replace(whole.ood, prototypes=np.zeros((1, 3), np.float32)),
    }[part]
    with pytest.raises(ValueError, match={"exemplars": "exemplars", "ood": "prototypes"}[part]):
        replace(whole, **{part: odd})


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_the_nearest_exemplars_come_best_first(count):
    """As many as there are, at most."""
    kept = Exemplars(("a", "b"), ("sql", "math"), np.array([[1, 0], [0, 1]], np.float32))
    near = kept.nearest(np.array([0.6, 0.8], np.float32), count)
    expected = [("b", "math", 0.8), ("a", "sql", 0.6)][:count]
    assert [(one.text, one.domain, round(one.similarity, 3)) for one in near] == expected
