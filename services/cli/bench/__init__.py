"""Benchmarks of this room; `orchestrate bench` knows them by name only."""
