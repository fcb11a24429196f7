"""The studies, one module each: compare, its datasets, profile, sweep, fit, the operator's card, subsampling."""
