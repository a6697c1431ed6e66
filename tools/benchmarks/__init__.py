"""Benchmarks: the package and its peers in alternation, each case in its own process."""
