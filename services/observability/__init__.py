"""What an operator sees: metrics, the loop's lag, traces."""
