"""Whether a process grows, and what it is called."""

import random

import pytest

from loadtests.soak.report import by_process, plot, report
from loadtests.soak.samples import Sample, slope, title

HOUR = 3600.0


def points(per_hour: float, noise: float, count: int = 180) -> list[tuple[float, float]]:
    chance = random.Random(7)
    moments = (number * HOUR / count for number in range(count))
    return [(at, 100 + per_hour * at / HOUR + chance.gauss(0, noise)) for at in moments]


def test_a_leak_is_more_than_noise():
    found = slope(points(10, 1))
    assert found is not None
    assert found.grows
    assert found.per_hour == pytest.approx(10, abs=2)


def test_noise_alone_is_no_leak():
    found = slope(points(0, 5))
    assert found is not None
    assert not found.grows
    assert found.noise > 0


def test_a_cache_that_fills_at_first_is_no_leak():
    """Its process grows for a third of the time."""
    filling = [(at, min(value, 100 + 300 / 3)) for at, value in points(300, 0)]
    found = slope(filling)
    assert found is not None
    assert not found.grows


def test_a_few_looks_have_no_slope():
    assert slope([]) is None
    assert slope(points(1, 1, count=5)) is None


@pytest.mark.parametrize(
    ("command", "name", "called"),
    [
        (["ray::ServeReplica:gateway:gateway.handle"], "ray", "ray::ServeReplica:gateway:gateway"),
        (["/venv/bin/python", "/x/agent.py", "--port=1"], "python", "agent.py"),
        (["/venv/bin/python", "-S", "-m", "gateway.edge"], "python", "gateway.edge"),
        (["/usr/bin/haproxy", "-f", "haproxy.cfg"], "haproxy", "haproxy"),
        ([], "raylet", "raylet"),
    ],
    ids=["a replica", "a script", "a module", "a program", "no command line"],
)
def test_a_process_is_called_by_what_it_does(command, name, called):
    assert title(command, name) == called


def test_what_came_or_went_has_no_row():
    """Such as the processes of a request."""
    stays = [Sample(at, "raylet 1", 1 << 20, 9) for at in (0.0, 1.0, 2.0)]
    comes = [Sample(at, "worker 2", 1 << 20, 9) for at in (1.0, 2.0)]
    lived, others = by_process([*stays, *comes])
    assert list(lived) == ["raylet 1"]
    assert others == 1
    assert "worker" not in report([*stays, *comes])


def test_the_plot_is_drawn(tmp_path):
    samples = [Sample(at, "raylet 1", 1 << 20, 9) for at in (0.0, 1.0, 2.0)]
    plot(samples, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
