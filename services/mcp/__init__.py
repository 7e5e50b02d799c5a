"""The server as tools for other agents, by the Model Context Protocol: what they do is what the routes do."""
