"""What every other package may use: errors, units, ranges, counts of work, the command line."""
