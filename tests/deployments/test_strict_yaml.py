"""YAML in which a key that is there twice is an error."""

import pytest
import yaml

from deployments.strict_yaml import DuplicateKey, load_yaml


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("a: 1\nb: 2\na: 3", ("'a'", "line 3", "line 1"), id="at the top"),
        pytest.param("a: 1\n'a': 1", ("'a'", "line 2", "line 1"), id="in quotes, the same value"),
        pytest.param("- {b: {c: 1, c: 2}}", ("'c'", "line 1"), id="within"),
        pytest.param("x: {<<: {a: 1}, b: 1, b: 2}", ("'b'", "line 1"), id="beside a merge"),
        pytest.param("x: &x {a: 1, a: 2}\ny: {<<: *x}", ("'a'", "line 1"), id="merged"),
    ],
)
def test_a_key_that_is_there_twice_is_refused(text: str, named: tuple[str, ...]) -> None:
    """By its name and its lines."""
    with pytest.raises(DuplicateKey) as refused:
        load_yaml(text)

    assert all(word in str(refused.value) for word in named)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: &a {k: 1}\nb: {<<: *a, k: 2}", id="its own key before a merged one"),
        pytest.param("a: &a {k: 1}\nb: &b {<<: *a, k: 2}\nc: {<<: *b, k: 3}", id="in a chain"),
        pytest.param("a: &a {k: 1}\nb: &b {k: 2}\nc: {<<: [*a, *b]}", id="of a list"),
        pytest.param("a: &a {k: 1}\nb: &b {l: 2}\nc: {<<: *a, <<: *b}", id="two of them"),
        pytest.param("a: {k: 1}\nb: {k: 1}", id="the same key in two mappings"),
        pytest.param("1: a\n'1': b", id="a number and a text"),
        pytest.param("- yes\n- ~", id="no mapping"),
    ],
)
def test_all_else_says_what_it_says_to_pyyaml(text: str) -> None:
    """Merges above all, which give keys that a mapping may have itself."""
    assert load_yaml(text) == yaml.safe_load(text)
