"""The results of a study: rows and their schema, the store, summaries, verdicts, results side by side."""
