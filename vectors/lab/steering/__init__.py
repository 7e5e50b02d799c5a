"""Analyses of steering on the engine: what a vector does, where, how strongly, and how surely that is known.

Each module measures one thing and returns plain dataclasses of estimates; `lab.figures` draws them. Nothing
here certifies: it describes, with n and an interval for every figure.
"""
