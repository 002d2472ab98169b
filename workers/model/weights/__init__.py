"""The pretrained weights: what they are, where they come from, how they are made ready."""
