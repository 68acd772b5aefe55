"""``python -m kho_sim`` is ``kho-sim``."""

from kho_sim.cli import main

if __name__ == "__main__":
    main()
