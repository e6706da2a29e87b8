"""How much to train: the recipes' settings, and those that follow from the number of rows."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.specialists.recipe import TrainConfig, settings_for
from lab.specialists.registry import NICHES


def steps(config: TrainConfig, rows: int) -> int:
    return config.epochs * math.ceil(min(rows, config.max_examples or rows) / config.batch_size)


def test_every_default_niche_has_a_recipe() -> None:
    """Without one it could not be trained."""
    assert all(niche.recipe for niche in NICHES.values())


@given(st.integers(1, 1_000_000), st.sampled_from([1, 4, 16, 64]))
def test_the_steps_stay_in_bounds(rows: int, batch_size: int) -> None:
    """However many rows there are: 150 to 2,000 steps, and 5 looks at the validation or more."""
    config = settings_for(rows, TrainConfig(batch_size=batch_size))

    assert 150 <= steps(config, rows) <= 2000
    assert steps(config, rows) >= 5 * config.evaluate_every_steps


@pytest.mark.parametrize(("rows", "epochs"), [(50, 38), (200, 17), (1000, 8), (10_000, 3)])
def test_fewer_rows_are_seen_more_often(rows: int, epochs: int) -> None:
    """The steps grow with the square root of the rows."""
    assert settings_for(rows).epochs == epochs


def test_very_many_rows_are_drawn_from() -> None:
    """Beyond 32,000 a run takes no longer."""
    assert settings_for(100_000).max_examples == 32_000
    assert settings_for(100_000).epochs == 1


def test_the_number_of_epochs_can_be_given() -> None:
    """Then all rows are seen so often, and the looks are spread over them."""
    config = settings_for(100_000, epochs=2)

    assert (config.epochs, config.max_examples) == (2, 100_000)
    assert config.evaluate_every_steps == 2 * 6250 // 20


def test_all_else_stays_as_it_is() -> None:
    """Only the amount of training follows from the rows."""
    base = TrainConfig(rank=4, learning_rate=0.01, seed=7, max_length_tokens=99)

    found = settings_for(500, base)

    amount = ("epochs", "max_examples", "evaluate_every_steps")
    assert replace(found, **{name: getattr(base, name) for name in amount}) == base


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rank", 0),
        ("alpha", 0),
        ("batch_size", 0),
        ("epochs", 0),
        ("max_length_tokens", 0),
        ("patience", 0),
        ("learning_rate", 0.0),
        ("learning_rate", 1.0),
    ],
)
def test_a_setting_that_cannot_train_is_refused(name: str, value: float) -> None:
    """The error names the setting and the value."""
    with pytest.raises(ValueError, match=rf"{name}.*{value}"):
        TrainConfig(**{name: value})
