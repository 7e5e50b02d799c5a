"""Domain vectors: prompt sets, extraction, defaults, and the library that keeps them."""
