"""Odd requests of every kind against a gateway with all its doors open: `python -m tests.fuzz`."""
