"""The structure of a network, as data: neither arrays nor a framework."""
