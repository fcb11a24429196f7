"""Scoring of one pooled image: the round trip, the metrics, the decoders, fitted parameters and times."""
