"""The same actor in other runtimes: what they take to run it, and what ours take."""
