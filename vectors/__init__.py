"""Tensors: loading a causal language model, generating with per-row steering, and domain vectors.

Knows nothing of git, SWE-bench or HTTP.
"""
