"""How one pooled picture is scored: the round trip, the metrics, the decoders, fitted parameters and times."""
