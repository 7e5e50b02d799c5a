"""The laboratory: what steering does to answers, and later what is inside the model."""
