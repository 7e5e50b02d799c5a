"""The Steering Arena's routes: one prompt under several steerings at once, kept and shown again."""
