"""All members at once: their state, one chunk of training, and the fork."""
