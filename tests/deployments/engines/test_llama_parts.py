"""The parts of the llama engine that need no server."""

from pathlib import Path

import pytest

from deployments.engines._llama_errors import answered_error, refusal
from deployments.engines._llama_platform import lacking_instructions
from deployments.engines._work_clock import WorkClock
from deployments.protocol import InvalidPrompt, Overloaded, PromptTooLong, Unavailable


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_pass_is_divided_by_the_tokens_that_it_worked_on():
    """Three seconds for two prompt tokens of one call and one token of another."""
    time = Time()
    clock = WorkClock(time)
    clock.begin("prompt")
    clock.begin("answer")
    time.now = 3.0
    clock.report("prompt", 2)
    clock.report("answer", 1)
    time.now = 4.0
    clock.report("answer", 1)

    assert clock.end("prompt") == pytest.approx(2 / 3 * 4)
    assert clock.end("answer") == pytest.approx(1 / 3 * 4)


def test_idle_time_is_nobodys():
    """A call that begins later does not pay for the time before."""
    time = Time()
    clock = WorkClock(time)
    clock.begin("first")
    time.now = 1.0
    assert clock.end("first") == 1.0
    time.now = 100.0
    clock.begin("second")
    time.now = 101.0
    clock.report("second", 1)

    assert clock.end("second") == 1.0
    assert clock.end("second") == 0.0


def test_silence_counts_while_something_is_awaited():
    """An idle engine is not stalled."""
    time = Time()
    clock = WorkClock(time)
    time.now = 50.0
    assert clock.stalled_seconds() == 0.0
    clock.begin("call")
    time.now = 57.0
    assert clock.stalled_seconds() == 7.0
    clock.report("call", 1)
    assert clock.stalled_seconds() == 0.0


TOO_LONG = {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}


@pytest.mark.parametrize(
    ("answered", "kind", "parameter"),
    [
        pytest.param(TOO_LONG, PromptTooLong, "prompt", id="too long"),
        pytest.param(
            {"code": 400, "message": "Field 'temperature': type must be number"},
            InvalidPrompt,
            "temperature",
            id="a field by name",
        ),
        pytest.param({"code": 400, "message": "no"}, InvalidPrompt, "prompt", id="no name"),
        pytest.param({"code": 429, "message": "busy"}, Overloaded, None, id="too many"),
        pytest.param({"code": 500, "message": "oops"}, Unavailable, None, id="a fault"),
        pytest.param("oops", Unavailable, None, id="words alone"),
    ],
)
def test_the_servers_errors_are_translated(answered, kind, parameter):
    """By their type and code; the parameter is the one in their words, or the input."""
    error = answered_error("tiny", answered, "prompt")

    assert type(error) is kind
    assert getattr(error, "parameter", None) == parameter


def test_a_prompt_that_is_too_long_is_told_in_numbers():
    """Of tokens, and of the most."""
    large = {"code": 500, "message": "input (9 tokens) is too large to process. batch size: 8"}
    for answered in (TOO_LONG, large):
        assert answered_error("tiny", answered, "prompt").args[1] == "9 tokens > 8 maximum"


def test_a_refusal_names_the_parameter():
    """The one in the server's words."""
    assert refusal("unable to parse response_format", "messages").parameter == "response_format"
    assert refusal("roles must alternate", "messages").parameter == "messages"


@pytest.mark.parametrize(
    ("flags", "lacking"),
    [
        pytest.param("flags\t: fpu avx avx2 fma f16c bmi1 bmi2", set(), id="all there"),
        pytest.param("flags\t: fpu avx f16c", {"avx2", "fma", "bmi2"}, id="an older CPU"),
        pytest.param("processor : 0", set(), id="the file does not tell"),
    ],
)
def test_missing_instructions_are_known_before_the_library_is_loaded(tmp_path, flags, lacking):
    """From what Linux says of the CPU."""
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor: 0\n{flags}\nbugs:\n")

    assert lacking_instructions(file) == lacking
    assert lacking_instructions(Path("gone")) == set()
