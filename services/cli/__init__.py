"""The commands of this room; `orchestrator.cli` knows them by name only."""
