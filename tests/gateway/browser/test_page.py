"""The page in a real browser: asked, streamed, explained, compared, and used without a mouse."""

import json
from pathlib import Path

import pytest

from tests.gateway.browser.asking import answers, ask, script
from tests.gateway.browser.showcase import ANSWERS, showcase
from tests.gateway.stacks import on_loopback

pytestmark = pytest.mark.browser

SHOWN = ANSWERS | {"tools": json.dumps(json.loads(ANSWERS["tools"]), indent=2)}
"""JSON is formatted."""

EVIDENCE = json.loads(
    (Path(__file__).parents[2] / "golden" / "evidence.json").read_text(encoding="utf-8")
)


def compared(page, evidence):
    """Answers the page's questions for evidence."""
    page.route("**/v1/niche/evidence", lambda route: route.fulfill(json=evidence))


def test_an_example_is_answered_and_explained(page, url):
    """The specialist streams, and beside it stand reason, probabilities, threshold and cost."""
    page.goto(url)
    page.get_by_role("button", name="sql", exact=True).click()
    assert answers(page) == [ANSWERS["sql"]]
    decision = page.locator("#decision")
    assert "sql answered" in decision.inner_text()
    assert decision.locator(".bars li").first.inner_text().split() == ["sql", "88.0", "%"]
    assert decision.locator(".bars li").count() == 6
    assert "61 %" in decision.inner_text()
    assert decision.locator("dt:text-is('Saved') + dd").inner_text() == "67 %"


def test_the_words_that_decided_are_marked(page, url):
    """In the text as it was read, with what it would lose; a training prompt and the form below."""
    page.goto(url)
    ask(page, "play <i>jazz</i> & blues")
    words = page.locator(".words p[tabindex]")
    words.wait_for()
    assert words.inner_text() == "play <i>jazz</i> & blues"
    [mark] = page.locator(".words mark.for").all()
    assert mark.inner_text() == "play "
    assert mark.get_attribute("title").endswith("87.4 points")
    assert page.locator(".words mark.against").count() == 0
    assert page.locator(".nearest blockquote").inner_text() == "How many <b>singers</b> are there?"
    assert "similarity 0.73" in page.locator(".nearest").inner_text()
    assert page.locator(".explanation > .note").all_inner_texts() == [
        "Form: plain, 96 %",
        "Read: the last message.",
    ]


def test_where_no_word_decides_the_page_says_so(page, url):
    """And marks none."""
    page.goto(url)
    ask(page, "Why is the sky blue?")
    page.wait_for_selector("text=No single part changes it")
    assert page.locator(".words mark").count() == 0


EARLIER = {"turns_back": 2, "with_system": True, "characters": 4312, "shortened": True}
AGAINST = [{"text": "System: ", "effect": None}, {"text": "sky", "effect": -0.05}]


def test_what_was_read_and_what_speaks_against_it_is_told(page, url):
    """An earlier turn, the system prompt, the whole length; labels are never marked."""

    def explained(route):
        found = route.fetch().json()
        if found["explanation"]:
            found["explanation"] |= {
                "source": EARLIER,
                "pieces": AGAINST,
                "neighbours": [],
                "form": None,
            }
        route.fulfill(json=found)

    page.route("**/v1/niche/route", explained)
    page.goto(url)
    ask(page, "Why is the sky blue?")
    mark = page.locator(".words mark.against")
    mark.wait_for()
    assert mark.get_attribute("title") == "Without it: +5.0 points"
    assert page.locator(".words .label").inner_text() == "System: "
    assert page.locator(".nearest").count() == 0
    note = page.locator(".explanation > .note").inner_text()
    for fact in ("2 before the last", "system prompt", "4,312 characters"):
        assert fact in note


def test_an_answer_waits_for_no_explanation(page, url):
    """A decision that cannot be explained is shown as it is."""

    def unexplained(route):
        asked = json.loads(route.request.post_data)
        if asked.get("explain"):
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/niche/route", unexplained)
    page.goto(url)
    ask(page, "play something")
    assert answers(page) == [SHOWN["tools"]]
    assert "tools answered" in page.locator("#decision").inner_text()
    assert page.locator(".words").count() == 0


@pytest.mark.parametrize("domain", ["tools", "math", "biomed", "support", "general"])
def test_every_domain_has_an_example(page, url, domain):
    """Those without a specialist here are the generalist's."""
    page.goto(url)
    page.get_by_role("button", name=domain, exact=True).click()
    assert answers(page) == [SHOWN.get(domain, SHOWN["generalist"])]
    assert page.locator(".bars .chosen .name").inner_text() == domain


def test_what_a_model_says_is_text(page, url):
    """Markup in an answer is shown as it is."""
    page.goto(url)
    ask(page, "Why is the sky blue?")
    assert "<b>This is no markup.</b>" in answers(page)[0]
    assert page.locator(".answer b").count() == 0


HOSTILE = (
    "<img src=x onerror=\"document.title = 'taken'\">",
    "<script>document.title = 'taken'</script>",
    '<svg/onload="document.title=\'taken\'"><iframe srcdoc="<script>parent.name=1</script>">',
    "[here](javascript:document.title='taken') <a href=\"javascript:alert(1)\">there</a>",
)


@pytest.mark.parametrize("said", HOSTILE, ids=["image", "script", "frame", "link"])
def test_what_a_model_says_runs_nothing(page, url, said):
    """Neither in its text, nor its reasoning, nor a tool's name, nor an error."""
    call = {"index": 0, "id": said, "function": {"name": said, "arguments": said}}
    script(page, {"reasoning": said}, {"content": said}, {"tool_calls": [call]})
    page.goto(url)
    ask(page, said)
    assert answers(page)[0] == said
    refused = {"error": {"message": said}}
    page.route("**/v1/chat/completions", lambda route: route.fulfill(status=500, json=refused))
    ask(page, said)
    page.wait_for_selector(".wrong:visible")

    assert page.locator(".turns :is(img, script, svg, iframe, a, [onerror])").count() == 0
    assert page.title() == "Niche"


def test_the_page_itself_could_make_no_markup_of_text(browser, url):
    """The browser holds it to that, whatever a later script tries."""
    page = browser.new_page()
    page.goto(url)
    tried = "() => { try { document.body.innerHTML = '<b>' } catch (error) { return error.name } }"
    assert page.evaluate(tried) == "TypeError"
    page.close()


def test_a_conversation_goes_on_and_begins_anew(page, stack, url):
    """The second question brings the first one and its answer along."""
    page.goto(url)
    ask(page, "Why is the sky blue?")
    answers(page)
    ask(page, "And at night?")
    assert len(answers(page)) == 2
    asked = json.loads(stack.backends["generalist"].requests[-1].body)
    said = [message["content"] for message in asked["messages"]]
    assert said == ["Why is the sky blue?", ANSWERS["generalist"], "And at night?"]
    page.get_by_role("button", name="New conversation").click()
    assert page.locator("#turns li").count() == 0


def test_an_example_wipes_nothing(page, url):
    """Where something was asked, or a draft stands, it goes into the composer below the draft."""
    page.goto(url)
    ask(page, "Why is the sky blue?")
    answers(page)
    page.locator("#prompt").fill("My draft")
    page.get_by_role("button", name="math", exact=True).click()
    draft, example = page.locator("#prompt").input_value().split("\n")
    assert draft == "My draft"
    assert "rolls" in example
    assert page.locator("#turns li").count() == 2
    page.get_by_role("button", name="New conversation").click()
    page.get_by_role("button", name="sql", exact=True).click()
    assert page.locator("#turns li").count() == 0


def test_a_named_model_is_asked(page, stack, url):
    """Without a decision of the router's to show."""
    page.goto(url)
    page.wait_for_selector("#model option[value='math']", state="attached")
    page.get_by_label("Model").select_option("math")
    ask(page, "Why is the sky blue?")
    assert answers(page) == [ANSWERS["math"]]
    assert "math" in page.locator("#decision").inner_text()
    assert page.locator(".bars").count() == 0


def test_it_works_without_a_mouse(page, url):
    """Ctrl and Enter ask; the first stop of the tabulator leads to the question."""
    page.goto(url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the question"
    page.get_by_label("Your question").focus()
    page.keyboard.type("play something")
    page.keyboard.press("Control+Enter")
    assert answers(page) == [SHOWN["tools"]]


def test_the_answer_is_announced_once(page, url):
    """It is a live region that is busy while it streams, and a status names who has answered."""
    page.goto(url)
    ask(page, "play something")
    answers(page)
    assert page.locator(".answer .body").get_attribute("aria-live") == "polite"
    assert page.locator("#status").inner_text() == "tools has answered."


def test_stopping_stops_the_model(page):
    """The words so far stay, and the model is left."""
    slow = showcase(word_seconds=0.15)
    with on_loopback(slow.app) as url:
        page.goto(url)
        ask(page, "Why is the sky blue?")
        page.wait_for_function("() => document.querySelector('.answer .said')?.textContent")
        page.get_by_role("button", name="Stop").click()
        page.wait_for_selector("text=Stopped.")
        assert ANSWERS["generalist"].startswith(answers(page)[0].strip())
        page.wait_for_timeout(200)
        assert slow.backends["generalist"].left_early == 1


def test_a_key_is_asked_for_and_stays_in_the_tab(page, tmp_path):
    """A wrong one is refused in words; the right one opens all, and can be forgotten."""
    keys = tmp_path / "keys"
    keys.write_text("right\n")
    with on_loopback(showcase(keys=keys).app) as url:
        page.goto(url)
        field = page.get_by_label("API key")
        field.fill("wrong")
        page.get_by_role("button", name="Use key").click()
        page.wait_for_function("() => document.getElementById('key-error').textContent")
        field.fill("right")
        page.get_by_role("button", name="Use key").click()
        page.wait_for_selector("#model option[value='sql']", state="attached")
        ask(page, "play something")
        assert answers(page) == [SHOWN["tools"]]
        assert page.evaluate("sessionStorage.length") == 1
        assert page.evaluate("localStorage.length") == 0
        page.get_by_role("button", name="Forget key").click()
        page.wait_for_function("() => sessionStorage.length === 0")


def test_a_refusal_is_shown_in_the_gateways_words(page, url):
    """And the question can be asked again."""
    page.goto(url)
    said = {"error": {"message": "Model 'sql' cannot answer now; try again later."}}
    page.route("**/v1/chat/*", lambda route: route.fulfill(status=503, json=said))
    ask(page, "Why?")
    page.wait_for_selector("text=cannot answer now; try again later.")
    assert page.locator("#prompt").input_value() == "Why?"
    assert page.get_by_role("button", name="Ask", exact=True).is_enabled()


@pytest.mark.parametrize("off", [{"status": 404, "json": {}}, {"json": {"enabled": False}}])
def test_without_a_comparison_the_page_says_so(page, url, off):
    """And how to switch it on."""
    page.route("**/v1/niche/evidence", lambda route: route.fulfill(**off))
    page.goto(url)
    page.wait_for_selector("#comparison >> text=gateway.shadow")
    assert page.locator("#comparison .verdict").count() == 0


def test_the_comparison_begins_with_its_verdict(page, url):
    """Then savings and quality with its interval, and a line per specialist."""
    compared(page, EVIDENCE)
    page.goto(url)
    page.wait_for_selector("#comparison .verdict")
    text = page.locator("#comparison").inner_text()
    verdict = page.locator("#comparison .verdict")
    assert verdict.get_attribute("data-quality") == "better"
    assert "45.1 % less" in verdict.inner_text()
    assert "+5.2 points" in text
    assert "+2.1 to +8.3" in text
    assert "1.17 instead of 2.13 USD per 1 million requests" in text
    assert "They cost less than 0.01 USD" in text
    rows = page.locator("#comparison tbody tr")
    assert rows.locator("th").all_inner_texts() == [
        "all requests",
        "sql",
        "tools",
        "math",
        "biomed",
    ]
    assert "+18.4 +12.1 to +24.7" in " ".join(rows.nth(1).inner_text().split())
    assert rows.locator("svg").count() == 4


@pytest.mark.parametrize(
    ("quality", "verdict"),
    [
        ({"mean": 0.0, "low": -0.01, "high": 0.01}, "as good"),
        ({"mean": 0.0, "low": -0.2, "high": 0.2}, "open"),
        ({"mean": -0.1, "low": -0.2, "high": -0.05}, "worse"),
    ],
    ids=["as good", "open", "worse"],
)
def test_the_verdict_is_that_of_the_interval(page, url, quality, verdict):
    """Against the margin that the operator allowed."""
    comparison = EVIDENCE["totals"]["comparison"] | {"quality": quality}
    compared(page, EVIDENCE | {"totals": EVIDENCE["totals"] | {"comparison": comparison}})
    page.goto(url)
    page.wait_for_selector("#comparison .verdict")
    assert page.locator("#comparison .verdict").get_attribute("data-quality") == verdict


def test_each_specialist_shows_its_state_and_its_evidence(page, url):
    """Where it stands, who holds it there, how far each test has come, and what happened before."""
    compared(page, EVIDENCE)
    page.goto(url)
    cards = page.locator("#specialists article")
    cards.first.wait_for()
    assert cards.count() == 4
    assert cards.locator("[aria-current=step]").all_inner_texts() == [
        *("active", "active", "probation", "shadow")
    ]
    assert "in the pool none" in cards.first.inner_text()
    assert cards.nth(1).locator(".badge.pinned").count() == 1
    value = cards.nth(1).locator(".tests .idle .value").first
    assert value.text_content().startswith("0.4 of 60, ")
    cards.nth(2).locator("summary").click()
    assert "e-value 66.2 reached 60" in cards.nth(2).inner_text()


def test_each_specialist_says_what_it_gains_and_costs(page, url):
    """In a sentence with its net worth; one that was not compared says nothing."""
    compared(page, EVIDENCE)
    page.goto(url)
    cards = page.locator("#specialists article")
    cards.first.wait_for()
    said = cards.first.locator(".balance").inner_text()
    for fact in ("Kept: saves 2.10 USD per 1 million", "gains 18.4 points.", "+20.50 USD"):
        assert fact in said
    assert "chance" not in said
    assert "would lose 6.2 points (may be chance)" in cards.nth(2).locator(".balance").inner_text()
    assert cards.nth(3).locator(".balance").count() == 0
    titles = page.locator("#comparison thead th").all_inner_texts()
    assert titles[3:5] == ["in cost, USD per 1 million", "net worth, USD per 1 million"]
    rows = page.locator("#comparison tbody tr")
    assert "+20.50 +13.90 to +27.10" in " ".join(rows.nth(1).inner_text().split())


def test_where_nothing_has_a_price_engine_time_is_told(page, url):
    """And no net worth, which needs a price."""
    nothing = {"mean": 0.0, "low": 0.0, "high": 0.0}
    [sql, *_] = EVIDENCE["specialists"]
    comparison = sql["comparison"] | {"expense": nothing, "net_worth": None}
    changes = {
        "settings": EVIDENCE["settings"] | {"quality_point_worth": None},
        "specialists": [sql | {"comparison": comparison}],
        "totals": EVIDENCE["totals"] | {"comparison": None},
    }
    compared(page, EVIDENCE | changes)
    page.goto(url)
    said = page.locator("#specialists .balance")
    said.wait_for()
    assert "saves 310 engine seconds per 1,000 requests" in said.inner_text()
    assert "Net worth" not in said.inner_text()
    titles = page.locator("#comparison thead th").all_inner_texts()
    assert titles[3:5] == ["in engine time, s per 1,000", "specialist's score"]


def test_an_opened_history_stays_open(page, url):
    """Fresh evidence takes nobody's place away."""
    compared(page, EVIDENCE)
    page.goto(url)
    page.locator("#specialists summary").nth(2).click()
    compared(page, EVIDENCE | {"totals": EVIDENCE["totals"] | {"requests": 18_235}})
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("text=of 18,235 requests")
    assert page.locator("#specialists details").nth(2).get_attribute("open") is not None


def test_the_decision_stands_above_the_composer_on_a_telephone(page, url):
    """And beside it on a wide screen."""
    page.goto(url)
    ask(page, "play something")
    answers(page)
    decision, composer = page.locator(".decision"), page.locator("#ask-form")
    box, below = decision.bounding_box(), composer.bounding_box()
    assert box["x"] >= below["x"] + below["width"]
    page.set_viewport_size({"width": 390, "height": 844})
    box, below = decision.bounding_box(), composer.bounding_box()
    assert box["y"] + box["height"] <= below["y"]
    assert page.locator("#turns").bounding_box()["y"] < box["y"]


def test_nothing_is_wider_than_a_telephone(page, url):
    """At 360 pixels the page scrolls down, and only the table sideways within its frame."""
    page.set_viewport_size({"width": 360, "height": 740})
    compared(page, EVIDENCE)
    page.goto(url)
    page.get_by_role("button", name="sql", exact=True).click()
    answers(page)
    page.wait_for_selector("#specialists article")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
