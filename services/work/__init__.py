"""Tasks being worked on: claimed from the store, solved, and told about as it happens."""
