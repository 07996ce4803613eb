"""Compressing what is trained: candidates, judged in the environment, one chosen."""
