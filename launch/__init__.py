"""Thin launchers, the verbs of `attavvad` with absl flags: `python -m launch.train --config=configs/att_avvad.py`."""
