"""The default niches by name."""

from deployments.niches.biomed import BIOMED
from deployments.niches.math import MATH
from deployments.niches.niche import Niche
from deployments.niches.sql import SQL
from deployments.niches.support import SUPPORT
from deployments.niches.tools import TOOLS

__all__ = ["NICHES"]

NICHES: dict[str, Niche] = {niche.name: niche for niche in (SQL, TOOLS, MATH, BIOMED, SUPPORT)}
