"""What a study gives: rows and their schema, the store, summaries, verdicts, results side by side."""
