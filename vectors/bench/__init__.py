"""How fast the engine is beside its peers: workloads, peers, the machine, and the ratios between them."""
