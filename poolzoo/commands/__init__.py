"""One module for each command: it parses, calls a study and hands the result to a report."""
