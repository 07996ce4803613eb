"""Reads run directories and writes tables, figures and a page. Knows nothing of training."""
