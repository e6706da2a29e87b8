"""Which policies a replay has depends on what is recorded."""

from lab.replay.outcomes import RecordedRow, gather
from lab.replay.session import replay_all


def test_without_groups_only_what_needs_none_is_replayed():
    """The instance oracle is left beside the mix."""
    costs = {"a": 1.0, "b": 2.0}
    rows = [RecordedRow(text, {"a": 0.0, "b": 1.0}, costs) for text in "xyz"]
    found = replay_all(gather(rows))
    assert [of.name for of in found.policies] == ["best content-blind mix", "instance oracle"]
