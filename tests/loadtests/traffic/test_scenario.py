"""Scenario files: the project's own, and what is refused."""

from pathlib import Path

import pytest
import yaml

from loadtests.traffic.errors import LoadTestError
from loadtests.traffic.prompts import read_prompts
from loadtests.traffic.scenario import Bursts, Closed, Poisson, names, read_scenario, scaled

GIVEN = {
    "about": "A test.",
    "seconds": 10,
    "arrivals": {"kind": "poisson", "rps": 2},
    "shares": {"sql": 1},
    "slos": {"failed_share": 0.1, "refused_share": 0.2},
}


def written(folder: Path, **changes) -> str:
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(GIVEN | changes))
    return str(path)


def test_every_kind_of_load_has_a_scenario() -> None:
    """As the README lists them."""
    assert set(names()) == {
        *("mixed", "hot", "bursts", "long-prompts", "long-streams", "slow-readers"),
        *("disconnects", "overload", "soak", "clients"),
    }


@pytest.mark.parametrize("name", names())
def test_a_scenario_of_the_project_can_be_run(name) -> None:
    """It has prompts of all its domains, and targets."""
    scenario = read_scenario(name)

    assert read_prompts(scenario.shares, scenario.padding_words)
    assert scenario.slos


def test_a_file_of_ones_own_is_a_scenario(tmp_path) -> None:
    """By its path."""
    assert read_scenario(written(tmp_path)).arrivals == Poisson(kind="poisson", rps=2)


def test_options_change_what_a_file_says(tmp_path) -> None:
    """And targets one by one."""
    changes, slos = {"model": "generalist", "seconds": 3}, {"failed_share": 0.5}

    scenario = read_scenario(written(tmp_path), changes, slos)

    assert (scenario.model, scenario.seconds) == ("generalist", 3)
    assert scenario.slos == {"failed_share": 0.5, "refused_share": 0.2}


def test_a_target_can_be_taken_away(tmp_path) -> None:
    """With a limit that everything meets."""
    scenario = read_scenario(written(tmp_path), slos={"refused_share": float("inf")})

    assert scenario.slos == {"failed_share": 0.1}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"seconds": 0}, "seconds: "),
        ({"seconds": 90_000}, "seconds: "),
        ({"arrivals": {"kind": "poisson", "rps": 0}}, "arrivals.poisson.rps: "),
        ({"arrivals": {"kind": "sometimes"}}, "arrivals: "),
        ({"shares": {}}, "shares: "),
        ({"shares": {"sql": 0}}, "shares"),
        ({"padding_words": [9, 3]}, "padding_words"),
        ({"readers": {"slow": 0.8, "disconnecting": 0.3}}, "disconnecting (0.3)"),
        ({"readers": {"disconnect_after_seconds": [3, 1]}}, "disconnect_after_seconds"),
        ({"slos": {"speed": 1}}, "'speed'"),
        ({"slos": {"answer_p0_seconds": 1}}, "'answer_p0_seconds'"),
        ({"rate": 3}, "rate: "),
    ],
    ids=str,
)
def test_a_fault_is_named(tmp_path, changes, key) -> None:
    """With the file and the key, in a line."""
    with pytest.raises(LoadTestError, match=r"own\.yaml: ") as raised:
        read_scenario(written(tmp_path, **changes))

    assert key in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["[", "- 1"], ids=["no-yaml", "no-mapping"])
def test_a_file_of_something_else_is_refused(tmp_path, text) -> None:
    """In a line."""
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(LoadTestError, match=r"own\.yaml: "):
        read_scenario(str(path))


def test_an_unknown_name_gets_the_known_ones() -> None:
    """All of them."""
    with pytest.raises(LoadTestError, match=r"'busy'.*bursts, clients"):
        read_scenario("busy")


def test_few_requests_need_one_source_and_many_several() -> None:
    """A closed loop needs one per client."""
    scenario = read_scenario("mixed")

    assert scenario.sources == 1
    assert scaled(scenario, 100 / 0.6).sources == 3
    assert read_scenario("clients").sources == 8


def test_a_scaled_scenario_has_a_multiple_of_its_rate() -> None:
    """Of every kind; the rest stays."""
    poisson, bursts, closed = (
        scaled(read_scenario(name), 3.0).arrivals for name in ("mixed", "bursts", "clients")
    )

    assert isinstance(poisson, Poisson)
    assert poisson.rps == pytest.approx(1.8)
    assert isinstance(bursts, Bursts)
    assert (bursts.rps, bursts.burst_rps) == pytest.approx((0.9, 6.0))
    assert bursts.burst_seconds == 6
    assert isinstance(closed, Closed)
    assert closed.clients == 24


def test_both_kinds_of_open_loop_have_their_rate_over_time() -> None:
    """Over the whole of it."""
    for name in ("mixed", "bursts"):
        arrivals = read_scenario(name).arrivals
        assert not isinstance(arrivals, Closed)
        steps = arrivals.steps(50.0, seed=1)
        assert (steps[0].start, steps[-1].end) == (0.0, 50.0)
        assert max(step.rate for step in steps) <= arrivals.peak
