"""One task: from what a user names to a patch, through the graph's nodes."""
