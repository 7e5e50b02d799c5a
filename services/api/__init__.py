"""The HTTP API: routes, who may call them, how errors look, and what is logged and counted."""
