"""What KHO costs a host, whether or not it ever updates."""

from kho_sim.host_cost.cost import Cost, HostCost, cost

__all__ = ["Cost", "HostCost", "cost"]
