"""What finished runs are worth: read from their folders, measured against the data set, compared in pairs.

Gold patches are read here and by grading only; what a solver is given holds none of them.
"""
