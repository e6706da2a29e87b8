"""The wire types of `/v1/niche/specialists`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from deployments.spec import NAME_PATTERN

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Change = Literal["added", "removed"]


class NewSpecialist(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/niche/specialists`.

    Attributes:
        name: which clients may ask for.
        adapter: one that ships, or a directory of `gateway.adapters_dir`.
        domain: one that the router's artifact knows; null: called as the specialist is.
    """

    name: Name
    adapter: Annotated[str, Meta(min_length=1, max_length=255)]
    domain: Name | None = None


class SpecialistChange(Struct, frozen=True, kw_only=True):
    """The body of the answers of `/v1/niche/specialists`: the file is changed, and the stack comes
    to it.

    Attributes:
        name: of the specialist.
        change: what was done to the file.
        message: what happens next.
        see: paths that show it, of which every gateway replica answers for itself.
    """

    name: str
    change: Change
    message: str
    see: list[str]
