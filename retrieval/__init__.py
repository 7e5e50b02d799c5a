"""Git and text: finding a repository, ranking its code at a commit, and fitting context to a budget.

Knows nothing of models, SWE-bench or HTTP.
"""
