"""A need of requests that not every model can serve."""

from enum import StrEnum


class Capability(StrEnum):
    """A closed set; the values are published in niche.yaml and `/v1/models`."""

    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    IMAGES = "images"
    LOGPROBS = "logprobs"
    LOGIT_BIAS = "logit_bias"
