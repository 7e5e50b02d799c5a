"""Benchmarks with known answers: prompts, what counts as an answer, and scores item by item.

What is extracted, and from which prompt, is what makes two accuracies comparable, so each benchmark says it
in one module. The data themselves come from the caller.
"""
