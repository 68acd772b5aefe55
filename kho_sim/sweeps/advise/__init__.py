"""Advice on scratch and block shift, found by simulation."""

from kho_sim.sweeps.advise.advice import Advice, advise
from kho_sim.sweeps.advise.areas import Areas, parse_areas

__all__ = ["Advice", "Areas", "advise", "parse_areas"]
