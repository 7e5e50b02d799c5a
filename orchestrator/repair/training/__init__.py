"""What the ranking of repairs is learned from: the history of repositories."""
