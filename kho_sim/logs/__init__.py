"""Console logs and files of real machines: read into a Trace, and made into scenarios."""
