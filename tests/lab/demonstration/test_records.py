"""The journal's lines."""

import json

from lab.demonstration.records import Evidence, Phase, line, read_story
from tests.lab.demonstration.samples import demoted, request


def test_what_is_written_is_read() -> None:
    """Each kind of record, and requests in the order of sending."""
    late, early = request(2, outcomes={"big": 0.5}), request(1, None, error="HTTP 503")
    phase, seen = Phase(1, "small", 3.0), Evidence(1, 4.0, 2, {"sql": "active"}, {"sql": 7})
    records = (phase, late, early, seen, demoted(5.0, quality=None))

    found = read_story([json.loads(json.dumps(line(record))) for record in records])

    assert found.phases == (phase,)
    assert found.requests == (early, late)
    assert found.transitions == (demoted(5.0, quality=None),)
    assert found.evidence == (seen,)


def test_a_time_has_its_place_in_the_stream() -> None:
    """As many requests as had been sent by then."""
    found = read_story([line(request(number)) for number in range(1, 6)])

    assert [found.sent_by(time) for time in (0.5, 3.0, 9.0)] == [0, 3, 5]
