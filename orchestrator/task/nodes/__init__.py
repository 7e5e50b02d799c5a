"""The nodes of the graph, one module each; `common` holds what the model nodes share."""
