"""The official SWE-bench package, in an environment of its own: specs, test directives, log parsers.

It has our import name, so it is never imported by us: `bridge.py` is started by that environment's own
interpreter and speaks JSON, and `client.py` starts it.
"""
