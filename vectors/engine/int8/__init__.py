"""Eight bits: products of whole numbers, which give a row the same bits whatever stands beside it."""
