"""Detection with a checkpoint: from blocks to scores, from a video to its timeline."""
