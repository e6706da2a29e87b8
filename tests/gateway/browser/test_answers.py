"""What the page makes of an answer: JSON, tool calls and their results, reasoning, growth."""

import json

import pytest

from tests.gateway.browser.asking import answers, ask, script
from tests.gateway.browser.showcase import showcase
from tests.gateway.stacks import on_loopback

pytestmark = pytest.mark.browser

NUMBERS = '{"id":12345678901234567890,"10":[],"2":{ },"a\\"{":[1,true,"x, {y}: [z]"]}'
FORMATTED = """{
  "id": 12345678901234567890,
  "10": [],
  "2": { },
  "a\\"{": [
    1,
    true,
    "x, {y}: [z]"
  ]
}"""


def called(index, call_id, name, *pieces):
    """The deltas of a tool call: its name first, then its arguments in pieces."""
    first = {"index": index, "id": call_id, "type": "function", "function": {"name": name}}
    return [
        {"tool_calls": [call]}
        for call in (
            first,
            *({"index": index, "function": {"arguments": piece}} for piece in pieces),
        )
    ]


WEATHER = called(0, "call_1", "get_weather", '{"city":', '"<b>Paris</b>"}')
TIME = called(1, "call_2", "get_time", "{}")


@pytest.mark.parametrize(
    ("sent", "shown", "is_json"),
    [
        (NUMBERS, FORMATTED, True),
        ("[1] is the first of {2}", "[1] is the first of {2}", False),
        ('"a text"', '"a text"', False),
        ('{"cut": "of', '{"cut": "of', False),
    ],
    ids=["an object", "prose", "a lone text", "a broken object"],
)
def test_json_is_formatted_and_can_be_copied_as_sent(page, url, sent, shown, is_json):
    """Every number, key and text stays as it was, and what is no JSON stays as a whole."""
    script(page, {"content": sent[:9]}, {"content": sent[9:]})
    page.goto(url)
    ask(page, "As JSON, please.")
    assert answers(page) == [shown]
    copy = page.locator(".answer details", has_text="As sent")
    assert copy.is_visible() == is_json
    if is_json:
        copy.locator("summary").click()
        assert page.locator(".answer .sent").inner_text() == sent


def test_tool_calls_show_name_and_arguments(page, url):
    """As text, whatever a model writes into them."""
    script(page, {"content": "I look."}, *WEATHER, *TIME, end="tool_calls")
    page.goto(url)
    ask(page, "The weather in Paris?")
    assert answers(page) == ["I look."]
    calls = page.locator(".answer .call")
    assert calls.locator("code").all_inner_texts() == ["get_weather", "get_time"]
    assert calls.locator(".said").all_inner_texts() == ['{\n  "city": "<b>Paris</b>"\n}', "{}"]
    assert page.locator(".answer b").count() == 0


def test_each_tool_call_waits_for_its_result(page, url):
    """What is written next is the first open call's; with the last result, all are sent."""
    asked = script(page, *WEATHER, *TIME, end="tool_calls")
    page.goto(url)
    page.wait_for_selector("#model option[value='generalist']", state="attached")
    page.get_by_label("Model").select_option("generalist")
    ask(page, "The weather in Paris?")
    page.get_by_label("Result of get_weather").wait_for()
    ask(page, "18 degrees")
    page.get_by_label("Result of get_time").wait_for()
    assert len(asked) == 1
    then = script(page, {"content": "It is mild."})
    ask(page, "noon")
    assert answers(page)[1:] == ["It is mild."]
    [question, calls, *results] = then[0]["messages"]
    assert question == asked[0]["messages"][0]
    assert [(call["id"], call["function"]) for call in calls["tool_calls"]] == [
        ("call_1", {"name": "get_weather", "arguments": '{"city":"<b>Paris</b>"}'}),
        ("call_2", {"name": "get_time", "arguments": "{}"}),
    ]
    assert results == [
        {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
    ]
    assert page.get_by_label("Your question").is_visible()


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_is_folded(page, url, key):
    """It is no part of the answer, and no markup."""
    script(page, {key: "Is <b>2</b>"}, {key: " prime?"}, {"content": "Yes."})
    page.goto(url)
    ask(page, "Is 2 prime?")
    assert answers(page) == ["Yes."]
    assert not page.locator(".thought").is_visible()
    page.get_by_text("Reasoning").click()
    assert page.locator(".thought").inner_text() == "Is <b>2</b> prime?"


def test_an_answer_without_reasoning_or_json_has_nothing_to_unfold(page, url):
    """And one that a limit cut off says so."""
    script(page, {"content": "Because"}, end="length")
    page.goto(url)
    ask(page, "Why?")
    assert answers(page) == ["Because"]
    assert page.locator(".answer summary:visible").count() == 0
    assert "limit of tokens" in page.locator(".answer .note").inner_text()


def test_every_turn_has_its_decision(page, url):
    """In a line: model, domain, confidence, reason; its button shows the whole one again."""
    page.goto(url)
    ask(page, "play something")
    answers(page)
    ask(page, "Two patients")
    answers(page)
    lines = page.locator(".answer .who")
    assert lines.all_inner_texts() == [
        "tools · domain tools 88.6 % · routed",
        "generalist · domain biomed 89.8 % · general",
    ]
    verdict = page.locator("#decision .verdict strong")
    assert verdict.inner_text() == "generalist"
    lines.first.click()
    assert verdict.inner_text() == "tools"
    assert page.locator("[aria-current=true] .who").inner_text() == lines.first.inner_text()


def test_a_cost_is_told_for_as_many_answers_as_make_a_readable_figure(page, url):
    """A millionth of a unit is none."""
    script(page, {"content": "Yes."})
    page.goto(url)
    ask(page, "Why?")
    answers(page)
    facts = page.locator("#decision .facts")
    price = facts.locator("dt:text-is('Cost of 1 million such answers') + dd")
    assert price.inner_text() == "0.680 USD"
    assert facts.locator("dt:text-is('At the generalist') + dd").inner_text() == "1.36 USD"


@pytest.fixture(scope="module")
def growing_url():
    """A gateway whose answers need a second, and more than one screen."""
    slow = showcase(word_seconds=0.02)
    slow.backends["generalist"].answer = "word\n" * 60
    with on_loopback(slow.app) as address:
        yield address


def test_a_growing_answer_is_followed(page, growing_url):
    """Its end stays in sight."""
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(growing_url)
    ask(page, "Why?")
    answers(page)
    assert page.evaluate("document.querySelector('.answer').getBoundingClientRect().top") < 0
    assert page.evaluate("document.querySelector('.answer').getBoundingClientRect().bottom") <= 500


def test_a_reader_who_scrolls_away_is_left_alone(page, growing_url):
    """The answer grows on without moving what they read."""
    page.set_viewport_size({"width": 1280, "height": 500})
    page.goto(growing_url)
    ask(page, "Why?")
    page.wait_for_function("() => document.querySelector('.answer')?.offsetHeight > 500")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    height = page.locator(".answer").bounding_box()["height"]
    answers(page)
    assert page.locator(".answer").bounding_box()["height"] > height
    assert page.evaluate("scrollY") == 0


def test_further_parameters_go_along(page, url):
    """Samples add to what is there; what is no object is refused, and the question is kept."""
    asked = script(page, {"content": "Yes."})
    page.goto(url)
    page.get_by_text("Further parameters").click()
    field = page.get_by_label("A JSON object")
    field.fill('["temperature"]')
    ask(page, "Why?")
    page.wait_for_selector(".answer .wrong")
    assert page.locator("#prompt").input_value() == "Why?"
    assert asked == []
    field.fill('{"temperature": 1, "model": "none"}')
    page.get_by_role("button", name="a tool").click()
    page.get_by_role("button", name="a JSON schema").click()
    ask(page, "Why?")
    assert answers(page)[-1] == "Yes."
    assert asked[0].keys() >= {"tools", "response_format", "max_tokens"}
    assert (asked[0]["temperature"], asked[0]["model"]) == (1, "auto")
    assert json.loads(field.input_value())["tools"] == asked[0]["tools"]
