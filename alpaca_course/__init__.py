"""Instruction tuning, built and tested on a laptop: the library that the lessons in nbs/ export."""
__version__ = "0.1.0"
