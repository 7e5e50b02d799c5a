"""Sparse autoencoders: a residual stream as a sparse sum of many directions. Here they are read and run."""
