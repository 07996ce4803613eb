"""The final table of a study: returns over seeds, with intervals and a comparison with dense."""
