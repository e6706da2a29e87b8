"""Training: a niche and a base model in, an adapter with its model card out."""
