"""The steered engine: requests of any steering in shared batches, exact whatever their neighbours."""
