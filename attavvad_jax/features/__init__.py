"""The front end: pure functions from waveforms and images to the inputs of the networks."""
