"""Steering vectors in the files of other tools, so that they go out to them and come in from them.

What such a file says is a list of `Steering`, one a layer: each adds α·v/‖v‖ to the output of its decoder
block at every position, when the tool applies the file with strength (coefficient, multiplier) 1. All of a
file's layers are added at once. No file says whose model it is for beyond a hint, so reading one takes the
model and checks against it. The project's own files are those of `vectors.domains.library`.
"""
