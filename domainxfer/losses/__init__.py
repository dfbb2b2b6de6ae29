"""Losses: pure functions of tensors, each with its formula and its paper. They know no networks, no data, no trainer.

A function's parameters name what it needs of the pass (`x_fake`, `real_patches`, ...); the trainer computes what the
terms of a recipe ask for, once, and nothing else. Patch scores come as (B, P): one field of view at a time.
"""
