"""Policies that learn to act as others do, on observations that they meet themselves."""
