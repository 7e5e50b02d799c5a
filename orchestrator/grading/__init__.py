"""Hidden tests on predictions, one by one and in batches."""
