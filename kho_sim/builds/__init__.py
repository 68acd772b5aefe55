"""Sizes that a build of the kernel fixes."""

from kho_sim.builds.build import Build, EarlyRequest, PageDemand

__all__ = ["Build", "EarlyRequest", "PageDemand"]
