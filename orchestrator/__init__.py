"""The composition: task state, graph, nodes, policy, prompts, settings and the command line.

Knows nothing of HTTP.
"""
