"""Thin launchers: `python -m launch.train --config=configs/att_avvad.py` runs a verb of `attavvad` with absl flags."""
