"""What calibration and the laboratory stand on: metrics, likelihoods, probes, and how they are taken."""
