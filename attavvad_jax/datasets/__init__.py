"""Prepared data sets: TFDS builders that write them and the grain loader that reads them."""
