"""One module per command: it parses the options, calls a study, and hands the result to a report."""
