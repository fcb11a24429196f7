"""Images in, rows out: decoding, metrics, comparison and profiling. Nothing here draws."""
