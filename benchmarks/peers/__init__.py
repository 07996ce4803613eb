"""Other libraries doing the same work, side by side in one run."""
