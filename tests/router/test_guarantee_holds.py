"""The routing guarantee holds: in simulations with a known risk, and on real outcomes."""

import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from router.guarantee import guarantee, threshold_grid

DELTA = 0.05
DRAWS = 1000
FEWER_DRAWS = 400  # where each takes a betting martingale per threshold
GRID = np.linspace(0.8, 0.0, 17)  # on confidences drawn evenly: the top 20 % to all


def most(draws):
    """DELTA of the draws may violate, and three standard errors of that share more."""
    return DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / draws)


def misroute(confidence, loss, grid, alpha):
    return guarantee(confidence, loss, grid, alpha, DELTA, "misroute")


def excess(confidence, loss, grid, alpha):
    return guarantee(confidence, loss, grid, alpha, DELTA, "excess_loss")


def plug_in(confidence, loss, alpha):
    """The loosest threshold whose observed risk is at most alpha: what is not a guarantee."""
    for threshold in GRID[::-1]:
        routed = loss[confidence >= threshold]
        if len(routed) and routed.mean() <= alpha:
            return threshold
    return None


class Risky:
    """Rows whose confidence is even on [0, 1] and whose risk is known at every threshold.

    The expected loss at confidence c is `level` x `shape` x (1 - c) ** (shape - 1), so that among
    the rows at t and above it is `level` x (1 - t) ** (shape - 1); at shape 1 it is `level`
    everywhere.
    """

    def __init__(self, level, shape):
        self.level, self.shape = level, shape

    def risk(self, threshold):
        return self.level * (1 - threshold) ** (self.shape - 1)

    def draw(self, rng, rows):
        confidence = rng.random(rows)
        return confidence, self.level * self.shape * (1 - confidence) ** (self.shape - 1)


def errors_of(rng, expected):
    return (rng.random(len(expected)) < expected).astype(float)


def paired(rng, expected):
    """Scores that differ on a tenth of the rows at least: +1 and -1 with this expectation."""
    drawn = rng.random(len(expected))
    return (drawn < 0.05 + expected) * 1.0 - (drawn > 0.95)


def skewed(rng, expected):
    """The specialist is nearly always better by a little, and rarely far worse."""
    return np.where(rng.random(len(expected)) < (expected + 0.02) / 1.02, 1.0, -0.02)


def violations(bounded, loss_of, population, alpha, rows, draws=DRAWS):
    """Shares of draws in which the risk at the chosen threshold is above alpha; mean share routed.

    Returns:
        With the guarantee, with the plug-in rule, and the share routed with the guarantee.
    """
    rng = np.random.default_rng(5)
    wrong, naive, share = 0, 0, 0.0
    for _ in range(draws):
        confidence, expected = population.draw(rng, rows)
        loss = loss_of(rng, expected)
        found = bounded(confidence, loss, GRID, alpha)
        wrong += found.threshold is not None and population.risk(found.threshold) > alpha
        chosen = plug_in(confidence, loss, alpha)
        naive += chosen is not None and population.risk(chosen) > alpha
        share += found.share / draws
    return wrong / draws, naive / draws, share


ABOVE = 1 + 1e-9  # the risk is a hair above alpha: as hard as it gets


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("shape", [1, 2, 5], ids=["flat", "rising", "steep"])
def test_misroutes_above_alpha_are_as_rare_as_promised(alpha, shape):
    """At most delta of 1,000 draws violate, where "observed <= alpha" violates in ten times more.

    The risk of all rows is a hair above alpha, at a flat risk that of every threshold.
    """
    population = Risky(alpha * ABOVE, shape)
    wrong, naive, _ = violations(misroute, errors_of, population, alpha, 400)
    assert wrong <= most(DRAWS)
    assert naive > 10 * DELTA


@pytest.mark.parametrize("loss_of", [paired, skewed], ids=["paired", "skewed"])
@pytest.mark.parametrize("shape", [1, 2, 5], ids=["flat", "rising", "steep"])
def test_excess_losses_above_alpha_are_as_rare_as_promised(loss_of, shape):
    """The same for paired scores, of which most are ties, and for rare large losses."""
    population = Risky(0.05 * ABOVE, shape)
    wrong, naive, _ = violations(excess, loss_of, population, 0.05, 400, FEWER_DRAWS)
    assert wrong <= most(FEWER_DRAWS)
    assert naive > 10 * DELTA


@pytest.mark.parametrize(
    ("bounded", "loss_of", "least"),
    [(misroute, errors_of, 0.55), (excess, paired, 0.3)],
    ids=["misroutes", "excess losses"],
)
def test_much_of_what_could_be_routed_is(bounded, loss_of, least):
    """Where the risk crosses alpha at 71 % of the rows, 2,000 rows find that share of them."""
    _, _, share = violations(bounded, loss_of, Risky(0.1, 3), 0.05, 2000, draws=100)
    assert share > least


@pytest.fixture(scope="module")
def outcomes():
    """Real outcomes: subject of each MMLU question, and whether two models were right."""
    where = os.environ.get("NICHE_DATA_DIR")
    if not where:
        pytest.skip("NICHE_DATA_DIR does not name the directory of the public data sets")
    path = Path(where) / "routellm_outcomes" / "mmlu_outcomes.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    subjects = np.unique([row["subject"] for row in rows], return_inverse=True)[1]
    small, large = (
        np.array([float(row[model]) for row in rows]) for model in ("mixtral_8x7b", "gpt4_1106")
    )
    return subjects, small, large


def resplits(outcomes, bounded, loss, confidence_of, alpha):
    """Shares of 1,000 draws from one half of the rows that violate; mean share routed.

    The confidence of a row is the mean of its subject in the other half, which also gives the
    grid. The half that is drawn from, with replacement, is the population itself: its risk at each
    threshold is known, without noise of a further sample.
    """
    subjects = outcomes[0]
    order = np.random.default_rng(0).permutation(len(subjects))
    earlier, population = np.split(order, 2)
    means = np.bincount(subjects[earlier], confidence_of[earlier]) / np.bincount(subjects[earlier])
    confidence = means[subjects]
    grid = threshold_grid(confidence[earlier])
    accepted = confidence[population] >= grid[:, None]
    risk = dict(zip(grid, (accepted @ loss[population]) / accepted.sum(axis=1), strict=True))
    rng, wrong, naive, share = np.random.default_rng(1), 0, 0, 0.0
    for _ in range(DRAWS):
        rows = rng.choice(population, 2000)
        found = bounded(confidence[rows], loss[rows], grid, alpha)
        wrong += found.threshold is not None and risk[found.threshold] > alpha
        share += found.share / DRAWS
        above = confidence[rows] >= grid[:, None]
        passing = np.flatnonzero(above @ loss[rows] <= alpha * above.sum(axis=1))
        naive += len(passing) > 0 and risk[grid[passing[-1]]] > alpha
    return wrong / DRAWS, naive / DRAWS, share


@pytest.mark.data
def test_wrong_answers_of_a_real_model_are_bounded(outcomes):
    """Where Mixtral may be wrong on a fifth of the MMLU questions routed to it, it rarely is more.

    The risk reaches 0.2 at about 61 % of the questions.
    """
    _, small, _ = outcomes
    wrong, naive, share = resplits(outcomes, misroute, 1 - small, small, 0.2)
    assert wrong <= most(DRAWS)
    assert naive > 0.3
    assert share > 0.4


@pytest.mark.data
def test_what_a_real_model_loses_to_a_larger_one_is_bounded(outcomes):
    """Where Mixtral may score 0.1 less than GPT-4 on what is routed to it, it rarely loses more."""
    _, small, large = outcomes
    confidence = (1 + small - large) / 2
    wrong, naive, share = resplits(outcomes, excess, large - small, confidence, 0.1)
    assert wrong <= most(DRAWS)
    assert naive > 0.3
    assert share > 0.4
