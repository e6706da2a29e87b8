"""The grouping of MMLU's subjects."""

from collections import Counter

from lab.datasets.subjects import GROUPS, SUBJECTS


def test_each_of_the_57_subjects_is_in_one_of_14_groups():
    """No subject is missing, and none is in two groups."""
    counts = Counter(subject for subjects in GROUPS.values() for subject in subjects)
    assert len(GROUPS) == 14
    assert len(counts) == 57
    assert set(counts.values()) == {1}


def test_politics_culture_and_geography_are_other():
    """What MMLU-Pro has no group for is folded into one."""
    folded = ("us_foreign_policy", "sociology", "human_sexuality", "high_school_geography")
    assert {SUBJECTS[subject] for subject in folded} == {"other"}
