"""Advice on scratch and block shift, found by simulation."""

from kho_sim.sweeps.advise.advice import Advice
from kho_sim.sweeps.advise.advising import advise
from kho_sim.sweeps.advise.areas import Areas, parse_areas
from kho_sim.sweeps.advise.record import is_advice, read_advice

__all__ = ["Advice", "Areas", "advise", "is_advice", "parse_areas", "read_advice"]
