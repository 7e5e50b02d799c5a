"""What `vectors calibrate` measures in the solver's own situations."""
