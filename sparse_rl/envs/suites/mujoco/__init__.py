"""Gymnasium's MuJoCo tasks, version 4: on MuJoCo's simulator in C, and on MJX."""
