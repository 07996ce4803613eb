"""A population on disk: written whole or not at all, and never believed without its checksum."""
