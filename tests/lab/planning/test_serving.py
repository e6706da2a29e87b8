"""The reader of the serving path's figures."""

import pytest

from lab.planning.errors import PlanError
from lab.planning.serving import FORWARDED, Serving

TEXT = """# A run

## Whole answers

|                                     | clients | requests/s     | p50, ms | CPU per request, ms |
|-------------------------------------|---------|----------------|---------|---------------------|
| Niche, model named, to the upstream | 1       | 500 [462, 649] | 1.75    | 2.5 [1.67, 2.4]     |
| Niche, model named, to the upstream | 16      | 1,000          | 14      | 1.2                 |

## Streams

| | clients | first token p50, ms | tokens/s | CPU per token, ms |
|---|---|---|---|---|
| Niche, model named, to the upstream | 16 | 3.5 | 800 | 0.5 |

## At rest

|                                          | processes | CPU at rest, % of a core |
|------------------------------------------|-----------|--------------------------|
| Niche, six models, to the upstream       | 13        | -                        |
| bare Ray Serve, six trivial applications | 16        | 20                       |
"""
SERVING = Serving(TEXT)


def test_medians_are_read_without_their_ranges() -> None:
    """In requests per second and in seconds."""
    assert SERVING.rate("named", FORWARDED, 1) == 500
    assert SERVING.rate("named", FORWARDED, 16) == 1000
    assert SERVING.p50("named", FORWARDED, 16) == 0.014
    assert SERVING.first_token("named", 16) == 0.0035


def test_a_request_takes_what_the_stack_does_not_take_at_rest() -> None:
    """A fifth of a core is 0.2 ms of each of 1,000 requests per second, and 8 ms of a stream."""
    assert SERVING.request("named", FORWARDED, 16) == pytest.approx(0.0010)
    assert SERVING.stream("named", 16) == pytest.approx(32 * (0.0005 - 0.2 / 800))


def test_a_figure_that_was_not_measured_is_named() -> None:
    """With its section, its row and the number of clients."""
    with pytest.raises(PlanError, match=r"auto.*64 clients.*Whole answers"):
        SERVING.rate("auto", FORWARDED, 64)
    with pytest.raises(PlanError, match="CPU at rest"):
        SERVING.value("At rest", "Niche, six models, to the upstream", "CPU at rest, % of a core")
