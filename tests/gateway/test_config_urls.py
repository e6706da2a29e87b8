"""URLs in `niche.yaml`: one at which no server can be is refused where the file is read."""

from typing import Any

import pytest

from gateway.config import ConfigError
from gateway.config_file import parse_config


def _config(*, judge: str = "http://judge/v1", traces: str = "http://traces/v1") -> dict[str, Any]:
    shadow = {"path": "x", "judge": {"base_url": judge, "model": "wise"}}
    return {
        "generalist": {"name": "general", "model": "big", "engine": "fake"},
        "gateway": {"shadow": shadow},
        "observability": {"tracing": {"endpoint": traces}},
    }


@pytest.mark.parametrize(
    ("urls", "key"),
    [
        ({"judge": "http://x:99999/v1"}, "gateway.shadow.judge.base_url"),
        ({"judge": "http://x/v1/chat/completions"}, "gateway.shadow.judge.base_url"),
        ({"traces": "http://x:99999/v1/traces"}, "observability.tracing.endpoint"),
        ({"traces": "http://[::1/v1/traces"}, "observability.tracing.endpoint"),
    ],
)
def test_a_url_of_no_server_is_a_fault(urls: dict[str, str], key: str) -> None:
    """The line names the key."""
    with pytest.raises(ConfigError) as refused:
        parse_config(_config(**urls), "niche.yaml")

    [line] = str(refused.value).splitlines()
    assert line.startswith(f"niche.yaml: {key}: ")


def test_a_scheme_may_be_in_capitals() -> None:
    """And a collector's endpoint may have a query, since nothing is appended to it."""
    config = parse_config(_config(judge="HTTP://x/v1", traces="HTTPS://x/v1?key=1"), "niche.yaml")

    assert config.gateway.shadow is not None
    assert config.gateway.shadow.judge is not None
    assert config.gateway.shadow.judge.base_url == "http://x/v1"
    assert config.observability.tracing is not None
    assert config.observability.tracing.endpoint == "https://x/v1?key=1"
