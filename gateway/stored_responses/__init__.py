"""Answers of `/v1/responses` that are kept: their store, and what refers to them."""
