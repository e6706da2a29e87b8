"""The form head: the likeliest form, and weights that fit."""

import numpy as np
import pytest

from router.form_head import FormHead

HEAD = FormHead(
    ("plain", "other task", "typos"), np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
)


def test_the_likeliest_form_has_its_share():
    """The softmax of the layer's outputs."""
    found = HEAD.likeliest(np.array([0.0, np.log(2), 0.0], np.float32))
    assert (found.name, found.probability) == ("other task", pytest.approx(0.5))


@pytest.mark.parametrize(
    ("names", "weights", "bias"),
    [
        (("a", "b"), np.ones((3, 2)), np.ones(3)),
        (("a", "b"), np.ones((2, 2)), np.ones(3)),
        (("a", "b"), np.ones(2), np.ones(2)),
        (("a", "b"), np.full((2, 2), np.nan), np.ones(2)),
        (("a", "b"), np.ones((2, 2)), np.array([0.0, np.inf])),
    ],
    ids=["names", "biases", "vector", "weight", "bias"],
)
def test_weights_that_do_not_fit_are_refused(names, weights, bias):
    """Each form has a row and a bias, and every number is finite."""
    with pytest.raises(ValueError, match="form"):
        FormHead(names, weights.astype(np.float32), bias.astype(np.float32))
