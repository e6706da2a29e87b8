"""The head's pod waits for the nodes that drain, and for no others."""

from collections.abc import Sequence

import pytest

from gateway.draining_nodes import wait


class Cluster:
    """Nodes that drain until a time, and a clock that sleeping moves."""

    def __init__(self, *ends: float) -> None:
        self.ends, self.time = ends, 0.0

    def now(self) -> float:
        """The time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""
        self.time += seconds

    def draining(self) -> Sequence[float]:
        """The nodes that drain now."""
        return [end for end in self.ends if self.time < end]


@pytest.mark.parametrize(
    ("ends", "left_at"),
    [
        pytest.param((), 10, id="none"),
        pytest.param((4,), 10, id="one that is soon done"),
        pytest.param((40, 120), 120, id="two"),
        pytest.param((900,), 665, id="one that takes too long"),
    ],
)
def test_the_head_stays_while_a_node_drains(ends: tuple[float, ...], left_at: float) -> None:
    """But no longer than it may."""
    cluster = Cluster(*ends)

    wait(cluster.draining, 665, now=cluster.now, sleep=cluster.sleep)

    assert cluster.time == left_at


def test_a_short_time_is_kept() -> None:
    """Also where it is less than the first wait."""
    cluster = Cluster(100)

    wait(cluster.draining, 3, now=cluster.now, sleep=cluster.sleep)

    assert cluster.time == 3
