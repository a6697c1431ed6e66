"""Benchmarks: ours and its peers in alternation, each in a process of its own."""
