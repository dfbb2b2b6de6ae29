"""Data sets that are drawn, not downloaded: scenes with an animal in three coats (``demo``) and mazes (``mazes``)."""
