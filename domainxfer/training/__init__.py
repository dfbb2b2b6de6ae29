"""Training: the step, the loop, its state on disk and its log book."""
