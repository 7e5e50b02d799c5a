"""What one server process has in memory: the model, its vectors, the limits and the feed."""
