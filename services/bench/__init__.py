"""What the HTTP layer costs and what sharing batches brings, measured through a server on loopback."""
