"""When to steer: the variants, and what a decision says."""
