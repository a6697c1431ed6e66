"""Detects faces, tracks them from image to image, and crops the performer's face."""

from attavvad_jax.faces.boxes import prominence
from attavvad_jax.faces.crop import crop_face
from attavvad_jax.faces.detector import Detect, FaceDetector
from attavvad_jax.faces.tracker import LOOKAHEAD_S, FaceTracker, TrackedImage

__all__ = ["LOOKAHEAD_S", "Detect", "FaceDetector", "FaceTracker", "TrackedImage", "crop_face", "prominence"]
