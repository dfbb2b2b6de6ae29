"""Figures: feature extractors behind one contract, and distances between sets of features."""
