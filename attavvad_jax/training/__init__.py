"""Training: state, pure step, checkpoints, logs and the loop that joins them."""
