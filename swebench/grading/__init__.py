"""Verdicts on patches: suites of tests, their environments, their logs, and certificates."""
