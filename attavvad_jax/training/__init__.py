"""Training: the state, the pure step, checkpoints, logs and the loop that connects them."""
