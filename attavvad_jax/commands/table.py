"""The table of verbs."""

from attavvad_jax.commands.base import Command
from attavvad_jax.commands.verbs import (
  audio_swap,
  configs,
  curves,
  demo,
  detect,
  evaluate,
  export,
  prepare,
  reproduce,
  simulate,
  stream,
  sweep,
  train,
)

COMMANDS: dict[str, Command] = {
  command.name: command
  for command in (
    detect.COMMAND,
    stream.COMMAND,
    simulate.COMMAND,
    prepare.COMMAND,
    train.COMMAND,
    sweep.COMMAND,
    evaluate.COMMAND,
    curves.COMMAND,
    export.COMMAND,
    reproduce.COMMAND,
    demo.COMMAND,
    audio_swap.COMMAND,
    *configs.COMMANDS,
  )
}
