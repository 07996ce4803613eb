"""Moving pictures of policies: an environment's states become frames, frames become a GIF."""
