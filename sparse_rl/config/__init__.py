"""What a run is asked to do: one checked value, from a file, a command line or Python."""
