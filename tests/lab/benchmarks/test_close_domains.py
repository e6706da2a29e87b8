"""Domains that lie close together: trained and measured as a platform team would."""

import json
from collections import Counter

from lab.benchmarks.close_domains import CONVERSATIONAL, close_domains
from lab.datasets.subjects import GROUPS
from lab.routing.public_prompts import PublicRow
from tests.router.fakes import HashingEncoder


def test_the_conversational_questions_are_of_all_groups_alike():
    """Each of MMLU-Pro's groups has 22 questions, none twice."""
    rows = [json.loads(line) for line in CONVERSATIONAL.read_text(encoding="utf-8").splitlines()]
    names = {group.replace(" ", "-") for group in GROUPS}
    assert Counter(row["domain"] for row in rows) == dict.fromkeys(names, 22)
    assert len({row["text"].casefold() for row in rows}) == len(rows)


def test_both_kinds_of_question_are_measured(tmp_path):
    """A domain with a space in its name is trained; the exam's own test rows have targets."""
    rows = [
        PublicRow(f"{word} number {index} {word}", domain, f"{word} {index}", None, "made")
        for word, domain in (("planet", "physics"), ("kernel", "computer science"))
        for index in range(80)
    ]
    found = close_domains(rows, HashingEncoder(), tmp_path, None)
    names = [figure.name for figure in found.figures]
    assert names == [
        f"{kind} questions: {title}"
        for kind in ("exam", "conversational")
        for title in ("first choice right", "routed", "of these misrouted")
    ]
    assert [figure.bar is not None for figure in found.figures] == [True, True] + [False] * 4
    assert found.figures[0].met
