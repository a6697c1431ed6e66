"""Event- and segment-based scores of a checkpoint on a split of prepared data.

python -m launch.evaluate --checkpoint=runs/small --data=data --split=test --protocol=closed
"""

from absl import flags

from launch import app

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "What training wrote.", required=True)
_DATA = flags.DEFINE_string("data", None, "Prepared data set.", required=True)
_SPLIT = flags.DEFINE_string("split", "test", "Split to evaluate on.")
_CONDITION = flags.DEFINE_string("by", None, "Condition of the recordings to tell scores apart by, such as snr_db.")
_PROTOCOL = flags.DEFINE_string(
  "protocol", "closed", "Name of an evaluation protocol: closed, paper, sed_eval_default."
)


def main():
  from attavvad_jax.evaluation.run import evaluate_checkpoint

  print(evaluate_checkpoint(_CHECKPOINT.value, _DATA.value, _SPLIT.value, _PROTOCOL.value, condition=_CONDITION.value))


if __name__ == "__main__":
  app.run(main)
