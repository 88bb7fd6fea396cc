"""Deterministic simulation: the shipped worker, write path, tail reader, rebuild and look-ups, driven by one seed."""
