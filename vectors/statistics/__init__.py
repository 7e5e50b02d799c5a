"""Figures with n and an interval: estimates, paired tests and rates."""
