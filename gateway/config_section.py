"""What all sections of `niche.yaml` have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section: it does not change, and unknown keys are an error, as are `.inf` and `.nan`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
