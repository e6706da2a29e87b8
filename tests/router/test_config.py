"""The router's settings: what they refuse."""

import pytest
from pydantic import ValidationError

from router.config import GuaranteeConfig, RouterConfig


@pytest.mark.parametrize(
    "setting",
    [{"min_confidence": 0.9}, {"max_misrouted": 0.02}, {"max_ood_score": 0.0}],
    ids=["min_confidence", "max_misrouted", "max_ood_score"],
)
def test_a_guarantee_leaves_no_threshold_to_the_operator(setting):
    """A threshold of the operator's own would void what was calibrated; the error says which."""
    with pytest.raises(ValidationError, match="max_ood_score"):
        RouterConfig(guarantee=GuaranteeConfig(alpha=0.05), **setting)


@pytest.mark.parametrize("setting", [{"alpha": 0}, {"alpha": 1}, {"alpha": 0.1, "delta": 0}])
def test_risks_lie_between_nothing_and_certainty(setting):
    """Alpha and delta are probabilities that can be had."""
    with pytest.raises(ValidationError):
        GuaranteeConfig(**setting)


def test_one_setting_chooses_the_confidence():
    """A share of misrouted requests and a confidence would contradict each other."""
    with pytest.raises(ValidationError, match=r"max_misrouted.*min_confidence"):
        RouterConfig(max_misrouted=0.02, min_confidence=0.9)
    assert RouterConfig(max_misrouted=0.02, max_ood_score=0.0).max_misrouted == 0.02


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_of_misrouted_requests_lies_between_nothing_and_all(share):
    """Neither none nor all can be asked for."""
    with pytest.raises(ValidationError):
        RouterConfig(max_misrouted=share)
