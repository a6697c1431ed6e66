"""Turns an audio file and face images into the blocks that the programs in this folder take. Needs only numpy."""

import sys
import wave

import numpy as np


def read_blocks(metadata, audio, faces=None):
  """Returns the program's inputs for one recording.

  Args:
    metadata: the content of metadata.json.
    audio: a WAV file: one channel, 16 bits, the clock's sample rate.
    faces: a .npy file: uint8 [blocks, images, height, width], gray images of the performer, cropped as
      metadata["crop"] says. A block has the last metadata["clock"]["images_before"] images before it, then its own,
      taken at the centers of equal parts of it. An image without a face is all zeros. None means no face at all.

  Returns:
    A dict of arrays by the names of metadata["inputs"], with the blocks along the first axis.
  """
  clock, crop = metadata["clock"], metadata["crop"]
  with wave.open(audio, "rb") as file:
    got = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
    expected = (1, 16, clock["sample_rate_hz"])
    if got != expected:
      sys.exit(f"{audio}: channels, bits and Hz are {got}; expected {expected}: convert it first")
    samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")

  samples_per_block = clock["sample_rate_hz"] / clock["block_rate_hz"]
  num_blocks = int(np.ceil((len(samples) - 0.5) / samples_per_block))
  if num_blocks < 1:
    sys.exit(f"{audio}: contains no audio")
  # A waveform begins before its block and ends slightly after it; the recording is padded with zeros on both sides.
  starts = [round(index * samples_per_block) for index in range(num_blocks)]
  padded = np.pad(samples, (clock["samples_before"], clock["block_samples"]))
  waveform = np.stack([padded[start : start + clock["block_samples"]] for start in starts])

  shape = (num_blocks, clock["images_before"] + clock["images_per_block"], crop["height_px"], crop["width_px"])
  images = np.zeros(shape, np.uint8) if faces is None else np.load(faces)
  if images.shape != shape or images.dtype != np.uint8:
    sys.exit(f"{faces}: holds {images.dtype} {images.shape}; expected uint8 {shape}")
  return {"waveform": waveform, "images": images, "image_mask": images.any(axis=(2, 3))}


def count_blocks(inputs):
  """Returns the number of blocks; raises a ValueError for 0, as a program takes 1 or more."""
  num_blocks = len(inputs["waveform"])
  if not num_blocks:
    raise ValueError("got 0 blocks; expected 1 or more")
  return num_blocks


def run_in_batches(run, inputs, size=32):
  """Returns the scores of a recording's blocks, 1 or more, which `run` computes in batches of `size`."""
  starts = range(0, count_blocks(inputs), size)
  parts = [run({name: array[start : start + size] for name, array in inputs.items()}) for start in starts]
  return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def print_blocks(metadata, scores):
  """Prints a line for each block: its start, its most likely event and that event's probability, without smoothing."""
  for index, block in enumerate(scores[metadata["decision"]]):
    best = int(np.argmax(block))
    print(f"{index / metadata['clock']['block_rate_hz']:8.3f} s  {metadata['labels'][best]:8}  {block[best]:.4f}")
