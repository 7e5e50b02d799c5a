"""Running code that is not trusted: limits, namespaces, environments, and the code that an issue shows."""
