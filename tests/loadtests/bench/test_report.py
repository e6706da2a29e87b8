"""The tables of a benchmark."""

import pytest

from loadtests.bench.journal import Sample, Step
from loadtests.bench.report import Figures, markdown, notes, summary

ABOUT = {
    "commit": "abc",
    "machine": {
        "processor": "AMD EPYC",
        "cores": 2,
        "flags": ["avx2", "avx512_vnni"],
        "memory_bytes": 24 << 30,
        "system": "Linux",
    },
    "versions": {"python": "3.11", "wrk": None},
    "settings": {"rounds": 5, "seconds": 6.0},
}
TITLES = {"bare": "bare upstream", "ours": "Niche", "litellm": "LiteLLM", "ray-serve": "Ray Serve"}


def whole(round_number: int, name: str, rate: float, clients: int = 16, **more) -> Sample:
    values = {"requests_per_second": rate, "p50_seconds": 0.016, "failed": 0, "timed_out": 0}
    return Sample(Step(round_number, name, "whole", clients), values | more)


def streams(round_number: int, name: str, first: float, **more) -> Sample:
    values = {"first_p50_seconds": first, "stall_free_share": 1.0, "client_busy": 0.1}
    return Sample(Step(round_number, name, "streams", 16), values | more)


def row(text: str, heading: str, title: str) -> list[str]:
    """The cells of a row in the section with that heading."""
    section = text.partition(heading)[2].partition("\n#")[0]
    [line] = [line for line in section.splitlines() if line.startswith(f"| {title} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_cell_has_the_median_and_the_range() -> None:
    """Over the rounds, in units that a person reads."""
    samples = [whole(number, "ours", rate) for number, rate in ((1, 50.0), (2, 60.0), (3, 55.0))]

    cells = row(markdown(ABOUT, TITLES, samples), "## Whole answers", "Niche")

    assert cells[1:4] == ["16", "55 [50, 60]", "16 [16, 16]"]


def test_requests_are_compared_with_litellm_in_the_same_round() -> None:
    """The ratio's median is not the ratio of the medians."""
    samples = [
        *(whole(number, "ours", rate) for number, rate in ((1, 100.0), (2, 90.0))),
        *(whole(number, "litellm", rate) for number, rate in ((1, 50.0), (2, 30.0))),
    ]

    cells = row(markdown(ABOUT, TITLES, samples), "## Whole answers", "Niche")

    assert cells[3] == "2.5 [2, 3]"


def test_failures_of_all_rounds_are_counted() -> None:
    """They have no median."""
    samples = [
        whole(1, "ours", 10.0, failed=2, timed_out=3),
        whole(2, "ours", 10.0, failed=5, timed_out=0),
    ]

    cells = row(markdown(ABOUT, TITLES, samples), "## Whole answers", "Niche")

    assert cells[5:7] == ["7", "3"]


def test_the_first_token_is_compared_with_the_bare_upstream() -> None:
    """The upstream itself has no such figure."""
    samples = [streams(1, "bare", 0.001), streams(1, "ours", 0.011)]

    text = markdown(ABOUT, TITLES, samples)

    assert row(text, "## Streams", "Niche")[2:4] == ["11", "10"]
    assert row(text, "## Streams", "bare upstream")[2:4] == ["1", ""]


def test_a_capacity_that_was_not_reached_is_a_lower_bound() -> None:
    """If so in any round."""

    def capacity(number: int, name: str, *, limited: bool) -> Sample:
        values = {"streams": 64, "limited": limited, "shares": [[64, 1.0]]}
        return Sample(Step(number, name, "capacity"), values)

    samples = [
        *(capacity(number, "ours", limited=number == 1) for number in (1, 2)),
        *(capacity(number, "litellm", limited=True) for number in (1, 2)),
    ]

    text = markdown(ABOUT, TITLES, samples)

    assert row(text, "## The most streams", "Niche")[2] != ""
    assert row(text, "## The most streams", "LiteLLM")[1:] == ["64 [64, 64]", ""]


def test_what_is_at_rest_has_one_row() -> None:
    """With processes, memory and CPU time; what is not known is left open."""
    samples = [
        Sample(Step(1, "ours", "memory"), {"memory_bytes": 500_000_000, "processes": 12}),
        Sample(Step(1, "ours", "idle"), {"cpu_share": 0.13}),
        Sample(Step(1, "bare", "memory"), {}),
    ]

    text = markdown(ABOUT, TITLES, samples)

    assert row(text, "## At rest", "Niche")[1:] == ["12", "500", "13"]
    assert row(text, "## At rest", "bare upstream")[1:] == ["-", "-", "-"]


def test_rows_are_in_the_order_of_the_titles() -> None:
    """Not in that of the measurements, which take turns."""
    samples = [whole(1, name, 10.0) for name in ("litellm", "ours", "bare")]

    text = markdown(ABOUT, TITLES, samples).partition("## Whole")[2].partition("## Streams")[0]

    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert rows == ["", "bare upstream", "Niche", "LiteLLM"]


def test_the_report_says_what_was_measured_on_what() -> None:
    """Commit, rounds, processor and its instructions, versions that are known, remarks."""
    text = markdown(ABOUT, TITLES, [whole(1, "ours", 10.0)], ["litellm was left out"])

    for part in ("abc", "1 of 5 rounds", "AMD EPYC", "avx512_vnni", "python 3.11", "left out"):
        assert part in text
    assert "wrk" not in text


def test_a_report_of_nothing_can_be_written() -> None:
    """Before the first measurement."""
    assert "Not measured." in markdown(ABOUT, TITLES, [])


@pytest.mark.parametrize(("rate", "noted"), [(400.0, False), (600.0, True)], ids=["far", "near"])
def test_a_target_near_the_bare_upstream_is_noted(rate: float, noted: bool) -> None:
    """Then the load generator may be the limit."""
    figures = Figures([whole(1, "bare", 1000.0), whole(1, "ours", rate)])

    assert bool(notes(figures, TITLES)) is noted


def test_a_busy_client_is_noted() -> None:
    """In any round."""
    figures = Figures([streams(1, "ours", 0.1), streams(2, "ours", 0.1, client_busy=0.9)])

    assert len(notes(figures, TITLES)) == 1


def test_the_summary_has_every_figure() -> None:
    """For programs: with the median and the range; a list or a yes is no figure."""
    samples = [whole(number, "ours", rate) for number, rate in ((1, 50.0), (2, 60.0))]
    samples.append(Sample(Step(1, "ours", "capacity"), {"limited": True, "shares": [[1, 1.0]]}))

    rows = summary(samples)

    assert rows[0] == {
        "name": "ours",
        "kind": "whole",
        "clients": 16,
        "figure": "requests_per_second",
        "median": 55.0,
        "low": 50.0,
        "high": 60.0,
        "rounds": 2,
    }
    assert {of["kind"] for of in rows} == {"whole"}
