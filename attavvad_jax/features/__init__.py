"""Front end: pure functions from waveforms and images to what the network reads."""
