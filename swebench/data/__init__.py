"""Data sets of tasks, the bundled tasks, and files of predictions."""
