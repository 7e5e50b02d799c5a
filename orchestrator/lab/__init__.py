"""What vectors do to a model, as calls with typed results; measured here, parsed and printed elsewhere."""
