"""What an architecture and its firmware decide; one module for each."""
