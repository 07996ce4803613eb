"""Whole episodes outside training: one loop for a file's return, its check and its film."""
