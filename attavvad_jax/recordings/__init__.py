"""Cuts recordings, files or live input, into blocks of audio and tracked face images."""

from attavvad_jax.recordings.assembler import BlockAssembler
from attavvad_jax.recordings.read import read_blocks
from attavvad_jax.recordings.report import Report

__all__ = ["BlockAssembler", "Report", "read_blocks"]
