"""`POST /v1/niche/route`: the decision with all it rests on, and no model asked."""

import pytest

from deployments.protocol import Unavailable
from gateway.scoring import ScoringFailed
from router.types import Form, Neighbour, Rationale, Scores
from tests.fakes import FakeBackend, FakeClassifier
from tests.gateway.stacks import make_gateway

PATH = "/v1/niche/route"
ASKED = {"messages": [{"role": "user", "content": "please SELECT"}]}


class Broken:
    """A classifier's deployment that is down."""

    async def score(self, query):
        raise ScoringFailed("it is down")

    async def explain(self, query):
        raise ScoringFailed("it is down")

    async def health(self):
        raise Unavailable("classifier", "it is down")


async def test_the_decision_comes_with_its_probabilities_and_thresholds():
    """The likeliest domain first; beside each score the threshold in force."""
    answer = await make_gateway().post(ASKED, PATH)
    assert answer.status_code == 200
    assert answer.json() == {
        "domain": "sql",
        "model": "sql-model",
        "candidates": ["sql-model", "big"],
        "reason": "routed",
        "confidence": 0.9,
        "probabilities": {"sql": 0.9, "general": pytest.approx(0.1)},
        "min_confidence": 0.0,
        "ood_score": -1.0,
        "max_ood_score": -0.5,
        "truncated": False,
        "guarantee": None,
        "explanation": None,
    }
    assert list(answer.json()["probabilities"]) == ["sql", "general"]


async def test_no_model_is_asked_and_no_answer_counted():
    """It costs nothing but the classifier's time."""
    gateway = make_gateway()
    await gateway.post(ASKED, PATH)
    assert gateway.sql.requests == gateway.big.requests == []
    labels = {"domain": "sql", "model": "sql-model", "reason": "routed", "status_class": "2xx"}
    assert gateway.sample("niche_requests_total", **labels) is None


async def test_a_text_is_decided_like_a_chat():
    """As `POST /v1/completions` takes it."""
    answer = await make_gateway().post({"prompt": "please SELECT"}, PATH)
    assert answer.json()["model"] == "sql-model"


async def test_the_headers_say_it_too():
    """As they do beside an answer."""
    answer = await make_gateway().post(ASKED, PATH)
    assert answer.headers["x-niche-model"] == "sql-model"
    assert answer.headers["x-niche-reason"] == "routed"


async def test_a_model_that_is_down_is_passed_over():
    """As it would be for an answer."""
    gateway = make_gateway(sql=FakeBackend("sql-model", illness="it burns"))
    async with gateway.serving():
        await gateway.get("/readyz")
        answer = await gateway.post(ASKED, PATH)
    assert (answer.json()["model"], answer.json()["reason"]) == ("big", "unhealthy")


async def test_a_doubt_is_named():
    """With the generalist as the model."""
    gateway = make_gateway(classifier=FakeClassifier({"SELECT": "sql"}, ood_score=-0.1))
    body = (await gateway.post(ASKED, PATH)).json()
    assert (body["model"], body["reason"], body["domain"]) == ("big", "out_of_distribution", "sql")


async def test_an_explanation_comes_where_it_is_asked_for():
    """What was read, what each part of it is worth, the nearest training prompts, the form."""
    answer = await make_gateway().post(ASKED | {"explain": True}, PATH)
    explanation = answer.json()["explanation"]
    assert explanation == {
        "source": {"turns_back": 0, "with_system": False, "characters": 13, "shortened": False},
        "pieces": [{"text": "please ", "effect": 0.0}, {"text": "SELECT", "effect": 0.9}],
        "neighbours": [{"text": "SELECT 1 FROM t", "domain": "sql", "similarity": 0.5}],
        "form": {"name": "plain", "probability": 0.75},
    }


@pytest.mark.parametrize("explain", [False, None], ids=["false", "null"])
async def test_nothing_is_explained_unasked(explain):
    """It costs many classifications."""

    class Silent(FakeClassifier):
        def rationale(self, query, neighbours=0):
            raise AssertionError

    gateway = make_gateway(classifier=Silent({"SELECT": "sql"}))
    answer = await gateway.post(ASKED | {"explain": explain}, PATH)
    assert (answer.status_code, answer.json()["explanation"]) == (200, None)


async def test_a_decision_stands_without_its_explanation():
    """A fault while explaining takes no decision away."""

    class Unclear(FakeClassifier):
        def rationale(self, query, neighbours=0):
            raise ZeroDivisionError

    gateway = make_gateway(classifier=Unclear({"SELECT": "sql"}))
    body = (await gateway.post(ASKED | {"explain": True}, PATH)).json()
    assert (body["model"], body["explanation"]) == ("sql-model", None)


async def test_a_long_training_prompt_is_shortened():
    """To a line that can be shown."""

    class Wordy(FakeClassifier):
        def rationale(self, query, neighbours=0):
            return Rationale(neighbours=(Neighbour("many\nwords " * 50, "sql", 0.5),))

    gateway = make_gateway(classifier=Wordy({"SELECT": "sql"}))
    body = (await gateway.post(ASKED | {"explain": True}, PATH)).json()
    [near] = body["explanation"]["neighbours"]
    assert near["text"].startswith("many words many")
    assert len(near["text"]) <= 161


async def test_a_deployed_classifier_explains_itself():
    """The gateway asks it as it asks for scores."""

    class Deployed:
        async def score(self, query):
            return Scores({"sql": 0.9, "general": 0.1}, -1.0, -0.5)

        async def explain(self, query):
            return Rationale(form=Form("plain", 0.9))

        async def health(self):
            return

    body = (await make_gateway(scorer=Deployed()).post(ASKED | {"explain": True}, PATH)).json()
    assert body["explanation"]["form"] == {"name": "plain", "probability": 0.9}
    assert body["explanation"]["source"] is None


async def test_without_scores_the_generalist_would_answer():
    """A classifier that is down is a reason and no error."""
    body = (await make_gateway(scorer=Broken()).post(ASKED, PATH)).json()
    assert (body["model"], body["reason"]) == ("big", "classifier_unavailable")
    assert body["probabilities"] == {}
    assert body["min_confidence"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_value"),
        (ASKED | {"prompt": "too"}, "invalid_value"),
        ({"messages": []}, "invalid_value"),
        ({"prompt": 7}, "invalid_type"),
        (ASKED | {"model": "auto"}, "unknown_parameter"),
        (ASKED | {"explain": "yes"}, "invalid_type"),
    ],
    ids=["neither", "both", "no message", "no text", "another key", "no boolean"],
)
async def test_what_is_wrong_is_named(body, code):
    """With the codes of all endpoints."""
    answer = await make_gateway().post(body, PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
