"""What an agent remembers of the steps that it has taken."""
