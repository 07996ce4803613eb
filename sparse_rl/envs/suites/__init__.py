"""The suites: environments of other projects behind our interface; each may need an extra."""
