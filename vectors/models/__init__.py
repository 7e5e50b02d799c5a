"""Language models: where they come from, their files, their chat template and their decoder blocks."""
