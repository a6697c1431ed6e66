"""Audio-visual voice activity detection in musical videos: who speaks, sings, is silent, or is not the source."""

__version__ = "0.1.0"
