"""A checkpoint as a detector: from blocks to scores, from a video to its timeline."""
