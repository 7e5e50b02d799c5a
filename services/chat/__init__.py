"""Chat completions in the form of OpenAI's API, with a steering of its own for each request."""
