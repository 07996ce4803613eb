"""One file for each figure: `TITLE`, `caption(findings)`, and `draw(findings)` (None: no data)."""
