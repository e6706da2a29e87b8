"""`gateway.errors`: one table, and nothing that leaks."""

import re

import pytest

from deployments.protocol import (
    DeadlineExceeded,
    InvalidPrompt,
    Overloaded,
    PromptTooLong,
    Unavailable,
)
from gateway.errors import TABLE, GatewayError, InvalidValue, error_response


@pytest.mark.parametrize(
    ("error", "status", "code", "parameter"),
    [
        (InvalidValue("no", "n"), 400, "invalid_value", "n"),
        (InvalidPrompt("messages", "no"), 400, "invalid_prompt", "messages"),
        (PromptTooLong("messages", "9 > 8"), 400, "context_length_exceeded", "messages"),
        (Overloaded("big", 3, 2.5), 429, "model_overloaded", None),
        (Unavailable("big", "host-17 is gone"), 503, "model_unavailable", None),
        (DeadlineExceeded("big", 3.0), 504, "deadline_exceeded", None),
        (RuntimeError("password"), 500, "internal_error", None),
    ],
)
def test_errors_become_faults(error, status, code, parameter):
    """Each error has its status, code and parameter."""
    fault = error_response(error, "id-1")

    assert (fault.status, fault.code, fault.body.error.param) == (status, code, parameter)


def test_clients_know_a_prompt_that_is_too_long_by_its_words():
    """Those of `/v1/messages` have nothing else: some want them in lower case, with both numbers
    after them."""
    error = PromptTooLong("messages", "9000 tokens > 2048 maximum")
    message = error_response(error, "id-1").body.error.message

    assert re.search(r"prompt is too long: (\d+) tokens > (\d+) maximum", message)


@pytest.mark.parametrize("error", [RuntimeError("host-17"), Unavailable("big", "host-17")])
def test_inner_words_stay_inside(error):
    """What an unexpected error or a dead model says is not told to clients."""
    assert "host-17" not in error_response(error, "id-1").body.error.message


def test_an_upstreams_words_stay_inside():
    """Its refusal has words of ours for the client."""
    message = error_response(
        InvalidPrompt("top_p", "refused", "no host 10.1.2.3"), "id-1"
    ).body.error.message

    assert "10.1.2.3" not in message
    assert "refused" in message


@pytest.mark.parametrize(("seconds", "header"), [(None, "1"), (0.0, "1"), (20.0, "20")])
def test_an_unavailable_model_says_when_to_ask_again(seconds, header):
    """As its upstream did, or soon."""
    error = Unavailable("big", "gone", seconds)
    assert error_response(error, "id").headers == {"retry-after": header}


def test_an_unexpected_error_quotes_the_request():
    """The client of an unexpected failure gets the id under which the log has it."""
    assert "id-1" in error_response(KeyError("x"), "id-1").body.error.message


def test_subclasses_take_the_nearest_row():
    """A subclass without a row takes its parent's."""

    class Worse(Overloaded):
        pass

    assert error_response(Worse("big", 1, 1.0), "id").status == 429


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, "1"), (2.1, "3"), (float("inf"), "1"), (float("nan"), "1")]
)
def test_retry_after_is_whole_seconds(seconds, header):
    """Retry-After is an integer of at least one."""
    assert error_response(Overloaded("big", 1, seconds), "id").headers == {"retry-after": header}


def test_every_refusal_has_a_row():
    """No class of the gateway's own tree falls through to 500."""
    assert set(GatewayError.__subclasses__()) <= set(TABLE)
