"""Draws the data card of the simulated performances: pictures and figures in attavvad_jax/simulation/README.md.

python -m launch.data_card
"""

from absl import flags

from launch import app

_FOLDER = flags.DEFINE_string("folder", "attavvad_jax/simulation", "Folder of the card's README.md.")
_SCENES = flags.DEFINE_integer("scenes", 300, "Scenes of each preset that the figures are taken from.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the scenes.")


def main():
  from attavvad_jax.reports.data_card import write_card

  print(f"wrote {write_card(_FOLDER.value, num_scenes=_SCENES.value, seed=_SEED.value)}")


if __name__ == "__main__":
  app.run(main)
