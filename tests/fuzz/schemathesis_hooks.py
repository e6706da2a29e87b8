"""What schemathesis is told beside the description: which models there are, and which refusals say
what no schema can. Runs in its environment: imports nothing of this project.
"""

import os
import re
from typing import NamedTuple

import schemathesis

MODELS = {"/v1/embeddings": ("vectors",), "/v1/rerank": ("ranker",)}
GENERATING = ("auto", "big", "sql-model")
"""For bodies that a schema allows; with any other word they would be a 404, and nothing more would
be seen of them."""


class Relation(NamedTuple):
    """A refusal of a body that its schema allows: the code, the parameter, and why."""

    code: str
    parameter: str
    why: str


RELATIONS = (
    Relation("invalid_value", r"model", "whether a model serves the path is configured"),
    Relation("invalid_value", r"max_tokens", "differs from max_completion_tokens"),
    Relation("invalid_value", r"stream_options", "needs stream"),
    Relation("invalid_value", r"top_logprobs", "needs logprobs"),
    Relation("invalid_value", r"tool_choice.*", "names a tool, which tools has to have"),
    Relation("invalid_value", r"prompt", "auto takes one prompt"),
    Relation("invalid_value", r"n", "times the prompts"),
    Relation("invalid_value", r"input", "2048 inputs, but any number of tokens"),
    Relation("invalid_value", r".*(parameters|schema|input_schema)", "is no JSON schema"),
    Relation("invalid_value", r"tools\[\d+\]\.tools\[\d+\]\.name", "has to be unique"),
    Relation("invalid_value", r".*(tool_call_id|call_id|\.tool_use_id)", "answers a call"),
    Relation("invalid_value", r"messages\[\d+\]\.content\[\d+\]", "answers a call"),
    Relation("invalid_value", r"input\[\d+\]\.content", "empty, and not the model's own"),
    Relation("invalid_value", r"messages\[\d+\]\.role", "the last turn is the user's"),
    Relation("invalid_value", r".*(url|image_url|source|content\[\d+\])", "no image's address"),
    Relation("missing_required_parameter", r"messages\[\d+\]\.content", "nothing is said at all"),
    Relation("invalid_prompt", r".*", "an engine's own limits"),
    Relation("context_length_exceeded", r".*", "an engine's own limits"),
    Relation("invalid_image_url", r".*", "hosts are configured"),
    Relation("unsupported_parameter", r"previous_response_id|input.*", "no such answer is stored"),
)


def _known(code: str, parameter: str | None) -> bool:
    return any(code == of.code and re.fullmatch(of.parameter, parameter or "") for of in RELATIONS)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Asks a model that is there, in paths and bodies that the description allows."""
    meta, body = case.meta, case.body
    if meta is None or not meta.generation.mode.is_positive:
        return
    if case.path.startswith("/v1/niche/lifecycle/"):
        case.path_parameters["model"] = "sql-model"
    if (
        isinstance(body, dict)
        and isinstance(body.get("model"), str)
        and "feedback" not in case.path
    ):
        known = MODELS.get(case.path, GENERATING)
        body["model"] = known[len(body["model"]) % len(known)]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps a failure, unless a body was refused for what no schema says."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 400:
        return True
    error = response.json()["error"]
    return not _known(error["code"], error["param"])


@schemathesis.check
def wrong_key_is_refused(ctx, response, case):
    """With a wrong key there is nothing below `/v1/` but 401."""
    if os.environ.get("NICHE_FUZZ_WRONG_KEY") and case.path.startswith("/v1/"):
        assert response.status_code == 401, "an answer in spite of a wrong key"
