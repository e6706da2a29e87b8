"""The default niches by name."""

from lab.specialists.niches.biomed import BIOMED
from lab.specialists.niches.math import MATH
from lab.specialists.niches.niche import Niche
from lab.specialists.niches.sql import SQL
from lab.specialists.niches.support import SUPPORT
from lab.specialists.niches.tools import TOOLS

NICHES: dict[str, Niche] = {niche.name: niche for niche in (SQL, TOOLS, MATH, BIOMED, SUPPORT)}
