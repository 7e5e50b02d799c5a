"""How good retrieval, repair and batches are, measured on data sets."""
