"""arm64: what Linux keeps in arch/arm64 of early boot, of kexec and of the layout of memory."""

from kho_sim.platform.arm64.platform import ARM64, Arm64

__all__ = ["ARM64", "Arm64"]
