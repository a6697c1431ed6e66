"""Thin launchers: the verbs of `attavvad` with absl flags, as in `python -m launch.train --config=configs/att_avvad.py`."""
