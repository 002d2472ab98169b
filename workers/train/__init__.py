"""Training of the parts of the model that are ours."""
