"""What a run of the clients says."""

from pathlib import Path

import pytest

from tests.clients.clients import Client
from tests.clients.report import Outcomes, green, lines, outcomes, page

REPORT = """
<testsuites><testsuite>
  <testcase name="test_one_tool[chat]"/>
  <testcase name="test_one_tool[responses]"><failure>no</failure></testcase>
  <testcase name="bad_key"><error>no</error></testcase>
  <testcase name="test_image"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_reports_of_both_runners_are_read(tmp_path: Path) -> None:
    """Cases of one scenario belong together, and a skipped one says nothing."""
    report = tmp_path / "report.xml"
    report.write_text(REPORT, encoding="utf-8")

    assert outcomes(report) == {"one tool": [True, False], "bad key": [False]}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param({"a": {"plain": [True, True]}}, True, id="all pass"),
        pytest.param({"a": {"plain": [True, False]}}, False, id="one fails"),
        pytest.param({"a": {"plain": [True]}, "b": {}}, False, id="a client did not run"),
    ],
)
def test_a_run_is_green_if_every_client_ran_and_passed(
    found: dict[str, Outcomes], wanted: bool
) -> None:
    """A client without a scenario has not passed: its environment may be broken."""
    assert green(found) == wanted


def test_the_page_and_the_lines_name_what_failed() -> None:
    """A cell has the number of cases, or of those that failed; it is empty without any."""
    found = {"a": {"plain": [True, False]}, "b": {"image": [True]}}
    clients = [Client(name, f"{name} 1.0", ()) for name in found]

    assert list(lines(found)) == ["a: 2 cases, failed: plain", "b: 1 cases, failed: none"]
    assert "| plain | **1 of 2 fail** |  |\n| image |  | 1 |\n" in page(clients, found)
