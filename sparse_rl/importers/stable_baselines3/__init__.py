"""Policies of Stable-Baselines3: its zip files, and the normalizers beside them."""

from sparse_rl.importers.stable_baselines3.policy import is_stable_baselines3, read

__all__ = ["is_stable_baselines3", "read"]
