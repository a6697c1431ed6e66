"""`attavvad train`."""

from collections.abc import Mapping
from typing import Any

from attavvad_jax.commands.base import Command, Option


def run(
  config: Mapping[str, Any],
  workdir: str,
  placement: str,
  distributed: bool,
  coordinator_address: str | None,
  num_processes: int | None,
  process_id: int | None,
) -> None:
  from attavvad_jax.training import processes
  from attavvad_jax.training.loop import train

  address = (coordinator_address, num_processes, process_id)
  if distributed:
    processes.join(*address)
  elif address != (None, None, None):
    raise ValueError("--coordinator-address, --num-processes and --process-id need --distributed")
  train(config, workdir, placement)
  if processes.is_main():
    print(f"finished: {workdir}")


COMMAND = Command(
  "train",
  "train a network on prepared data",
  "Trains on all devices of this machine and writes checkpoints and logs to the workdir. Rerunning the command resumes "
  "from the last checkpoint with bit-identical results; SIGTERM saves first. Several processes train together if "
  "each is started with --distributed on a TPU pod, by SLURM, by Open MPI or as an indexed Job of Kubernetes; "
  "elsewhere each also needs --coordinator-address, --num-processes and --process-id.",
  "attavvad train --config=att_avvad_small --config.data=data --workdir=runs/small",
  (
    Option(
      "config",
      "experiment: a shipped name (see attavvad configs), a file or package.module; --config.KEY=VALUE overrides a key",
      "config",
      required=True,
    ),
    Option("workdir", "folder of the run", "path", required=True),
    Option(
      "placement",
      "how steps are mapped over devices: jit over a mesh, or pmap",
      default="mesh",
      choices=("mesh", "pmap"),
    ),
    Option("distributed", "train together with other processes", "switch", default=False),
    Option("coordinator_address", "address of process 0 (default: as the cluster manager says)", metavar="HOST:PORT"),
    Option("num_processes", "number of processes on all hosts (default: as the cluster manager says)", "integer"),
    Option("process_id", "index of this process, from 0 (default: as the cluster manager says)", "integer"),
  ),
  run,
)
