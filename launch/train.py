"""Trains a network on prepared data; goes on where the workdir's last checkpoint is.

python -m launch.train --config=configs/att_avvad_small.py --config.data=data --workdir=runs/small

Uses all devices of this machine. Several processes train together where each is started with --distributed, on a TPU
pod, by SLURM, Open MPI or as an indexed job of Kubernetes; elsewhere also with --coordinator_address=HOST:PORT of
process 0, --num_processes and its own --process_id.
"""

from absl import flags
from ml_collections import config_flags

from launch import app

_CONFIG = config_flags.DEFINE_config_file("config", None, "Experiment, for example configs/att_avvad.py.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_PLACEMENT = flags.DEFINE_enum(
  "placement", "mesh", ["mesh", "pmap"], "How a step is mapped over devices: jit over a mesh, or pmap."
)
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Train together with other processes.")
_COORDINATOR = flags.DEFINE_string(
  "coordinator_address", None, "Of process 0; found by itself where the cluster tells."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Of all hosts; likewise.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Of this process, from 0; likewise.")
flags.mark_flag_as_required("config")


def main():
  from attavvad_jax.training import processes
  from attavvad_jax.training.loop import train

  address = (_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
  if _DISTRIBUTED.value:
    processes.join(*address)
  elif address != (None, None, None):
    raise ValueError("--coordinator_address, --num_processes and --process_id need --distributed")
  train(_CONFIG.value, _WORKDIR.value, _PLACEMENT.value)
  if processes.is_main():
    print(f"finished: {_WORKDIR.value}")


if __name__ == "__main__":
  app.run(main)
