"""Recordings as blocks: from a file, from what comes in live, with the performer's face followed through it."""

from attavvad_jax.recordings.assembler import BlockAssembler
from attavvad_jax.recordings.read import read_blocks
from attavvad_jax.recordings.report import Report

__all__ = ["BlockAssembler", "Report", "read_blocks"]
