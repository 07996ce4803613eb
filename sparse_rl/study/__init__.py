"""A compression study: its phases, the loop around the compiled chunks, and what it leaves."""
