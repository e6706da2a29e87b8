"""What of HAProxy's access log counts, and as what."""

import pytest

from gateway.edge.counts import Counts

CHAT = "POST /v1/chat/completions HTTP/1.1"


def line(status: int, ending: str, request: str = CHAT) -> bytes:
    """A line as HAProxy 2.8 writes it."""
    text = (
        "127.0.0.1:46750 [30/Nov/2026:21:33:03.946] http_frontend http-gateway/replica "
        f'0/0/0/9/161 {status} 161 - - {ending}-- 1/1/0/0/0 0/0 "{request}"\n'
    )
    return text.encode()


def counted(*lines: bytes) -> list[str]:
    """The samples that are above zero."""
    counts = Counts()
    for one in lines:
        counts.add(one)
    samples = [text for text in counts.exposition().splitlines() if text[0] != "#"]
    return [sample for sample in samples if sample.split()[1] not in {"0", "0.0"}]


@pytest.mark.parametrize(
    ("status", "ending", "failure"),
    [
        pytest.param(200, "--", None, id="whole answer"),
        pytest.param(400, "--", None, id="client's error"),
        pytest.param(429, "LH", None, id="refusal in our words"),
        pytest.param(403, "PR", None, id="denied"),
        pytest.param(500, "--", "error", id="gateway's error"),
        pytest.param(503, "SC", "error", id="connection refused by every replica"),
        pytest.param(502, "SH", "error", id="replica lost before it answered"),
        pytest.param(504, "sH", "error", id="replica too slow"),
        pytest.param(-1, "SH", "error", id="nothing was sent"),
        pytest.param(200, "SD", "cut", id="replica lost while it answered"),
        pytest.param(200, "sD", "cut", id="replica hangs while it answers"),
        pytest.param(200, "KD", "cut", id="ended by an operator"),
        pytest.param(200, "CD", None, id="client left while it was answered"),
        pytest.param(-1, "CH", None, id="client left before"),
        pytest.param(503, "CC", None, id="client left while nobody could be reached"),
        pytest.param(200, "cD", None, id="client does not read"),
    ],
)
def test_how_a_request_failed(status: int, ending: str, failure: str | None) -> None:
    """By our fault, with 5xx or cut, or not."""
    expected = [] if failure is None else [f'niche_edge_failures_total{{kind="{failure}"}} 1']

    assert counted(line(status, ending)) == ["niche_edge_requests_total 1", *expected]


@pytest.mark.parametrize(
    "request_line",
    ["GET /v1/models HTTP/1.1", "GET /healthz HTTP/1.1", "POST /other HTTP/1.1", "<BADREQ>"],
)
def test_only_requests_for_an_answer_count(request_line: str) -> None:
    """Probes would make outages look small, and what is no HTTP costs nothing."""
    assert counted(line(500, "--", request_line)) == []


def test_other_lines_are_passed_over() -> None:
    """HAProxy also logs what it does itself."""
    assert counted(b"Proxy http_frontend stopped (cumulated conns: FE: 12, BE: 0).\n", b"") == []
