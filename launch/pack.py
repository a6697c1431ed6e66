"""Puts a checkpoint into the package, as the weights that ship with it.

python -m launch.pack --checkpoint=runs/detector
"""

from absl import flags

from launch import app

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "What training wrote.", required=True)


def main():
  from attavvad_jax.checkpoints import find_checkpoint
  from attavvad_jax.weights import FOLDER, pack

  pack(find_checkpoint(_CHECKPOINT.value))
  print(f"wrote {FOLDER}")


if __name__ == "__main__":
  app.run(main)
