"""Steering as data."""
