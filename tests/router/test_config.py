"""The router's settings: what they refuse."""

import pytest
from pydantic import ValidationError

from router.config import GuaranteeConfig, RouterConfig


@pytest.mark.parametrize("setting", [{"min_confidence": 0.9}, {"max_ood_score": 0.0}])
def test_a_guarantee_leaves_no_threshold_to_the_operator(setting):
    """A threshold of the operator's own would void what was calibrated; the error says which."""
    with pytest.raises(ValidationError, match="max_ood_score"):
        RouterConfig(guarantee=GuaranteeConfig(alpha=0.05), **setting)


@pytest.mark.parametrize("setting", [{"alpha": 0}, {"alpha": 1}, {"alpha": 0.1, "delta": 0}])
def test_risks_lie_between_nothing_and_certainty(setting):
    """Alpha and delta are probabilities that can be had."""
    with pytest.raises(ValidationError):
        GuaranteeConfig(**setting)
