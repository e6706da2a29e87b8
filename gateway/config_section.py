"""What all sections of `niche.yaml` have in common."""

from typing import Any, get_origin

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A section: it does not change, and unknown keys are an error, as are `.inf` and `.nan`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_ones(cls, given: Any) -> Any:
        """Without sections and lists of which every line is commented out."""
        if not isinstance(given, dict):
            return given
        return {
            key: value for key, value in given.items() if value is not None or not cls._holds(key)
        }

    @classmethod
    def _holds(cls, key: Any) -> bool:
        """Whether lines belong below a key."""
        kind: Any = cls.model_fields[key].annotation if key in cls.model_fields else None
        return get_origin(kind) is tuple or (isinstance(kind, type) and issubclass(kind, BaseModel))
