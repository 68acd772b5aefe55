"""What happened: the same records from a simulated chain and from a real kernel's boot log."""
