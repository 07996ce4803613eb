"""The run directory, from the first row that training writes to the actor that is delivered."""
