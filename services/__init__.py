"""HTTP in front of the orchestrator: it may import every other room, and no room imports it."""
