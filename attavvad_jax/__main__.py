"""`python -m attavvad_jax`: the command line `attavvad`."""

from attavvad_jax.commands.main import entry

if __name__ == "__main__":
  entry()
