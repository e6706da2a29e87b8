"""Reads the reports that pytest and node's test runner write: JUnit's format."""

import re
from pathlib import Path
from xml.etree import ElementTree

Outcomes = dict[str, bool]
"""Whether each scenario passed, by its name in words."""


def outcomes(report: Path) -> Outcomes:
    """Those of a report; a skipped scenario is in none. None at all if there is no report."""
    if not report.exists():
        return {}
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {
        _in_words(case.attrib["name"]): case.find("failure") is None and case.find("error") is None
        for case in cases
        if case.find("skipped") is None
    }


def _in_words(name: str) -> str:
    return re.sub(r"^test_", "", name).replace("_", " ")
