"""Niches: what each default specialist is for, as prompts and right answers."""
