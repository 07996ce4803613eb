"""Train, prune and quantise reinforcement-learning policies, all seeds and levels at once."""
