"""Renamed keys of `niche.yaml`: named in errors, and rewritten with all else as it was."""

import pytest
import yaml

from gateway.config import ConfigError, NicheConfig
from gateway.config_file import parse_config
from gateway.config_migration import RENAMES, MigrationError, Rename, migrate
from tests.gateway.test_config import GENERALIST, SQL, raw

OLD = """\
# The stack of the shop.
generalist: {name: big, model: tiny, engine: fake}
specialists:
  - &sql
    name: sql
    model: tiny
    engine: fake
    domain: sql   # of the shop's tables
    "begins": shadow
  - <<: *sql
    name: sql-new

router:
  max_batch: 8
  scope_threshold:   0.25  # as measured
  selection: {late_pairs: 5000}
gateway:
    shadow:
        path: "evidence.db"
        share: 0.1
        trial_share: 0.5
        busy_requests: 3
        tokens_per_day: 1000
        cost_per_day: 2.5
        grading:
        - {specialist: sql, by: json}
"""
NEW = """\
# The stack of the shop.
generalist: {name: big, model: tiny, engine: fake}
specialists:
  - &sql
    name: sql
    model: tiny
    engine: fake
    domain: sql   # of the shop's tables
    initial_state: shadow
  - <<: *sql
    name: sql-new

router:
  max_batch_size: 8
  max_ood_score:   -0.25  # as measured
  selection: {pairs_per_false_alarm: 5000}
gateway:
    shadow:
        path: "evidence.db"
        sample_ratio: 0.1
        trial_sample_ratio: 0.5
        max_requests_in_flight: 3
        max_tokens_per_day: 1000
        max_cost_per_day: 2.5
        grading:
        - {specialist: sql, method: json}
"""


def test_only_names_and_signs_change() -> None:
    """Comments, quotes, anchors and spaces stay."""
    assert migrate(OLD) == NEW


def test_what_is_new_stays() -> None:
    """Migrating twice does nothing."""
    assert migrate(NEW) == NEW
    assert migrate("") == ""


def test_a_migrated_file_can_be_loaded() -> None:
    """The new names are those of the configuration."""
    assert isinstance(parse_config(yaml.safe_load(NEW), "niche.yaml"), NicheConfig)


@pytest.mark.parametrize(
    ("value", "negated"),
    [
        pytest.param("-.5", ".5", id="a negative number"),
        pytest.param("+1e-3", "-1e-3", id="a number with a plus"),
        pytest.param("null", "null", id="no number"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_a_threshold_changes_its_sign(value: str, negated: str) -> None:
    """A familiarity of at least x is an out-of-distribution score of at most minus x."""
    old, new = f"router: {{scope_threshold: {value}}}", f"router: {{max_ood_score: {negated}}}"

    assert migrate(old) == new


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("*known", id="an alias"),
        pytest.param("&other 0.5", id="an anchor"),
        pytest.param("'0.5'", id="a text"),
    ],
)
def test_what_is_no_plain_number_is_left_to_the_operator(value: str) -> None:
    """The error names the line and the key."""
    text = f"x: &known 0.5\nrouter:\n  scope_threshold: {value}\n"

    with pytest.raises(MigrationError, match="line 3: scope_threshold"):
        migrate(text)


def test_an_old_key_beside_its_new_name_is_left_to_the_operator() -> None:
    """Nobody knows which of them is meant."""
    with pytest.raises(MigrationError, match=r"line 2: .*max_batch.*max_batch_size"):
        migrate("router:\n  max_batch: 8\n  max_batch_size: 9\n")


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {b: *a}", "[" * 5000], ids=["list", "mapping", "nested"]
)
def test_what_has_no_end_is_left_to_the_operator(text: str) -> None:
    """As what is nested too deeply."""
    with pytest.raises(MigrationError):
        migrate(text)


def written(rename: Rename) -> dict[str, object]:
    """A configuration with an old key."""
    value: object = 1
    for part in reversed(rename.place):
        value = [value] if part == "*" else {part: value}
    assert isinstance(value, dict)
    stack = raw(SQL) | value
    if rename.place[0] == "generalist":
        stack["generalist"] = GENERALIST | value["generalist"]
    return stack


@pytest.mark.parametrize("rename", RENAMES, ids=lambda of: ".".join(of.place))
def test_an_old_key_is_named_with_its_new_name(rename: Rename) -> None:
    """The line has the place of the key, its new name, and the command that rewrites the file."""
    with pytest.raises(ConfigError) as refused:
        parse_config(written(rename), "niche.yaml")

    place = ".".join(rename.place).replace("*", "0")
    [line] = [of for of in str(refused.value).split("\n") if f" {place}: " in of]
    assert rename.name in line
    assert "niche config migrate" in line
