"""How clients see failures: a table from exception class to status, type and code.

    GatewayError
    |-- MalformedBody, UnsupportedMediaType, BodyTooLarge        the bytes
    |-- MissingParameter, UnknownParameter, UnsupportedParameter  the names
    |-- InvalidType, InvalidValue                                 the values
    |-- ImageUrlRefused, TooManyImageUrls, ImageNotFetched,        the images
    |   ImageTooLarge, UnsupportedImage
    |-- InvalidApiKey, PermissionDenied, TooManyRequests          the caller
    |-- ModelNotFound, PathNotFound, MethodNotAllowed,            what was asked for
    |   HostNotAllowed
    |-- PreviousResponseNotFound, ItemNotFound,                 stored responses
    |   ResponseNotFound, ResponseStoreUnavailable
    |-- AnswerNotFound, FeedbackLimitReached, ShadowDisabled,     feedback and changes of state
    |   TransitionRefused
    |-- AdapterNotFound, NameTaken,                               specialists that come and go
    |   ChangeRefused, NoFollowedFile
    `-- ClientGone                                                the client disconnected

The table also covers `StoreError` and the `BackendError` tree of `deployments.protocol`. Rule: any
other exception is a 500 that shows only the request id; its traceback goes to the log.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from deployments.protocol import (
    BackendError,
    DeadlineExceeded,
    InvalidPrompt,
    Overloaded,
    PromptTooLong,
    Unavailable,
)

UNAVAILABLE_RETRY_SECONDS = 1
"""`Retry-After` for a broken model; its circuit stays open for a few seconds."""


class GatewayError(Exception):
    """A request that the gateway refuses; `parameter` locates the cause in the body, such as
    `messages[0].role`."""

    def __init__(
        self,
        message: str,
        parameter: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, parameter)
        self.message, self.parameter, self.headers = message, parameter, dict(headers or {})


class MalformedBody(GatewayError):
    """The body is no JSON object."""


class UnsupportedMediaType(GatewayError):
    """The body is not declared as JSON, or it is compressed."""


class BodyTooLarge(GatewayError):
    """The body is longer than `gateway.max_body_bytes`."""


class BodyTooSlow(GatewayError):
    """The body took longer than `gateway.body_timeout_seconds`."""


class MissingParameter(GatewayError):
    """A required parameter is absent."""


class UnknownParameter(GatewayError):
    """A parameter that the API does not have."""


class UnsupportedParameter(GatewayError):
    """A parameter of the API that this gateway does not support."""


class InvalidType(GatewayError):
    """A value of another JSON type."""


class InvalidValue(GatewayError):
    """A value of the right type that is not allowed."""


class ImageUrlRefused(GatewayError):
    """The URL of an image that `gateway.images` does not allow."""


class TooManyImageUrls(GatewayError):
    """More images by URL than `gateway.images.max_fetched`."""


class ImageNotFetched(GatewayError):
    """The URL of an image whose host cannot be reached at a public address, or gave no image."""


class ImageTooLarge(GatewayError):
    """An image, or several by URL together, beyond the limits of `gateway.images`."""


class UnsupportedImage(GatewayError):
    """What the URL of an image led to is no PNG, JPEG, WebP or GIF."""


class InvalidApiKey(GatewayError):
    """No accepted key came with the request."""


class PermissionDenied(GatewayError):
    """The key is accepted, and `gateway.api_keys_file` does not let it do this."""


class TooManyRequests(GatewayError):
    """The gateway, or one client, is at its limit of concurrent requests."""


class ModelNotFound(GatewayError):
    """No model has this name."""


class PathNotFound(GatewayError):
    """Nothing is served at this path."""


class MethodNotAllowed(GatewayError):
    """The path does not take this method."""


class HostNotAllowed(GatewayError):
    """The request is for a host that `gateway.allowed_hosts` does not name."""


class PreviousResponseNotFound(GatewayError):
    """`previous_response_id` names a response that is unknown, another key's or forgotten."""


class ItemNotFound(GatewayError):
    """An `item_reference` names an item that is unknown, another key's or forgotten."""


class ResponseNotFound(GatewayError):
    """No response with this id is stored for this key."""


class ResponseStoreUnavailable(GatewayError):
    """The store of responses cannot be read or written."""


class AnswerNotFound(GatewayError):
    """Feedback to an answer that is unknown, another key's or too old."""


class FeedbackLimitReached(GatewayError):
    """A grader's key has as many graded pairs as count per day, `max_pairs_per_key_per_day`."""


class ShadowDisabled(GatewayError):
    """Feedback or a change of state, and `gateway.shadow` is not set."""


class TransitionRefused(GatewayError):
    """A change of state that the specialist's current state does not allow."""


class AdapterNotFound(GatewayError):
    """No adapter that a request may name has this name."""


class NameTaken(GatewayError):
    """A new specialist with the name of another model."""


class ChangeRefused(GatewayError):
    """A change of `niche.yaml` that a stack would not serve, or that its file does not allow."""


class NoFollowedFile(GatewayError):
    """A change of `niche.yaml`, and the stack follows no file that a request may change."""


class ClientGone(GatewayError):
    """The client disconnected; never sent, only counted."""


class StoreError(Exception):
    """A store, as that of `gateway.shadow`, cannot be read or written; the message is only for the
    log."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table: HTTP status, OpenAI's `type` and `code`."""

    status: int
    type: str
    code: str


_INVALID = "invalid_request_error"
_UNEXPECTED = Rule(500, "server_error", "internal_error")

TABLE: dict[type[Exception], Rule] = {
    MalformedBody: Rule(400, _INVALID, "invalid_json"),
    UnsupportedMediaType: Rule(415, _INVALID, "unsupported_media_type"),
    BodyTooLarge: Rule(413, _INVALID, "body_too_large"),
    BodyTooSlow: Rule(408, _INVALID, "body_timeout"),
    MissingParameter: Rule(400, _INVALID, "missing_required_parameter"),
    UnknownParameter: Rule(400, _INVALID, "unknown_parameter"),
    UnsupportedParameter: Rule(400, _INVALID, "unsupported_parameter"),
    InvalidType: Rule(400, _INVALID, "invalid_type"),
    InvalidValue: Rule(400, _INVALID, "invalid_value"),
    ImageUrlRefused: Rule(400, _INVALID, "invalid_image_url"),
    TooManyImageUrls: Rule(400, _INVALID, "too_many_image_urls"),
    ImageNotFetched: Rule(400, _INVALID, "failed_to_download_image"),
    ImageTooLarge: Rule(400, _INVALID, "image_too_large"),
    UnsupportedImage: Rule(400, _INVALID, "unsupported_image_media_type"),
    InvalidApiKey: Rule(401, "authentication_error", "invalid_api_key"),
    PermissionDenied: Rule(403, "permission_error", "permission_denied"),
    TooManyRequests: Rule(429, "rate_limit_error", "gateway_overloaded"),
    ModelNotFound: Rule(404, _INVALID, "model_not_found"),
    PathNotFound: Rule(404, _INVALID, "path_not_found"),
    MethodNotAllowed: Rule(405, _INVALID, "method_not_allowed"),
    HostNotAllowed: Rule(421, _INVALID, "host_not_allowed"),
    PreviousResponseNotFound: Rule(404, _INVALID, "previous_response_not_found"),
    ItemNotFound: Rule(404, _INVALID, "item_not_found"),
    ResponseNotFound: Rule(404, _INVALID, "response_not_found"),
    ResponseStoreUnavailable: Rule(503, "server_error", "response_store_unavailable"),
    AnswerNotFound: Rule(404, _INVALID, "answer_not_found"),
    FeedbackLimitReached: Rule(429, "rate_limit_error", "feedback_limit_reached"),
    ShadowDisabled: Rule(409, _INVALID, "shadow_disabled"),
    TransitionRefused: Rule(409, _INVALID, "transition_refused"),
    AdapterNotFound: Rule(404, _INVALID, "adapter_not_found"),
    NameTaken: Rule(409, _INVALID, "name_taken"),
    ChangeRefused: Rule(409, _INVALID, "change_refused"),
    NoFollowedFile: Rule(409, _INVALID, "no_followed_file"),
    StoreError: Rule(503, "server_error", "evidence_unavailable"),
    ClientGone: Rule(499, _INVALID, "client_disconnected"),
    InvalidPrompt: Rule(400, _INVALID, "invalid_prompt"),
    PromptTooLong: Rule(400, _INVALID, "context_length_exceeded"),
    Overloaded: Rule(429, "rate_limit_error", "model_overloaded"),
    Unavailable: Rule(503, "server_error", "model_unavailable"),
    DeadlineExceeded: Rule(504, "server_error", "deadline_exceeded"),
}


class ErrorDetail(msgspec.Struct, frozen=True):
    """An error in OpenAI's format."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error response."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A translated exception: what to send and what to count."""

    status: int
    code: str
    body: ErrorBody
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def unexpected(self) -> bool:
        """Whether to log the traceback."""
        return self.code == _UNEXPECTED.code


def error_response(error: BaseException, request_id: str) -> ErrorResponse:
    """Translates an exception by the table's row for its class or nearest base class."""
    rule = next((TABLE[cls] for cls in type(error).__mro__ if cls in TABLE), _UNEXPECTED)
    message, parameter = _words(error, request_id)
    detail = ErrorDetail(message=message, type=rule.type, param=parameter, code=rule.code)
    return ErrorResponse(rule.status, rule.code, ErrorBody(error=detail), _headers(error))


def _words(error: BaseException, request_id: str) -> tuple[str, str | None]:
    match error:
        case GatewayError():
            return error.message, error.parameter
        case PromptTooLong():  # clients know it by these words of Anthropic's
            message = f"{error.parameter}: prompt is too long: {error.reason}"
            return message, error.parameter
        case InvalidPrompt():
            return f"{error.parameter}: {error.reason}", error.parameter
        case BackendError():
            return _words_about_a_model(error), None
        case StoreError():  # the message names a file: only for the log
            return "The evidence store is not available; try again later.", None
        case _:
            return f"The gateway failed; quote request id {request_id} when you report this.", None


def _words_about_a_model(error: BackendError) -> str:
    match error:
        case Overloaded():
            seconds = _whole_seconds(error.retry_after_seconds)
            return f"Model {error.model!r} has too much to do; try again in {seconds} s."
        case DeadlineExceeded():
            return f"Model {error.model!r} did not finish within {error.seconds:g} s."
        case Unavailable():  # the reason may name hosts: only for the log
            return f"Model {error.model!r} cannot answer now; try again later. /v1/models says why."
        case _:
            return "The model failed; try again later."


def _headers(error: BaseException) -> Mapping[str, str]:
    match error:
        case GatewayError():
            return error.headers
        case Overloaded():
            return {"retry-after": str(_whole_seconds(error.retry_after_seconds))}
        case Unavailable() if error.retry_after_seconds is not None:
            return {"retry-after": str(_whole_seconds(error.retry_after_seconds))}
        case Unavailable() | StoreError():
            return {"retry-after": str(UNAVAILABLE_RETRY_SECONDS)}
        case _:
            return {}


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds)) if math.isfinite(seconds) else UNAVAILABLE_RETRY_SECONDS
