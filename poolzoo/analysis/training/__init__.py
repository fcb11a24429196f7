"""Training one network with one operator from one seed: the network, an epoch, and the checkpoint after each."""
