"""One module for each study: compare, its datasets, profile, sweep, fit, the operator's card, subsampling."""
