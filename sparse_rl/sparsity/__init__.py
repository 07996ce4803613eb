"""Pruning as orthogonal parts: schedule (when) x distribution (where) x score (which weight)."""
