"""Repair by the catalogue: every small edit of the suspicious functions, ranked by what is known of each."""
