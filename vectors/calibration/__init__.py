"""Where a vector helps, found on one set of texts and certified on another."""
