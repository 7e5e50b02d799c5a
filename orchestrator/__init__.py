"""The composition: task state, graph, nodes, policy, prompts, settings and the command line.

Knows nothing of HTTP.
"""

import os

# Checkpoints are read back from disk: only plain data may come out of them. LangGraph reads this when it is
# imported, by whichever module of ours does so first.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
