"""Event- and segment-based scores of checkpoints on a split of prepared data, or of label files against others.

Several checkpoints are compared, with intervals.

python -m launch.evaluate --checkpoint=runs/small --data=data --split=test --protocol=closed --to=json,csv
python -m launch.evaluate --checkpoint=runs/small,runs/large --data=data
python -m launch.evaluate --estimate=timelines --reference=labels --map=SPEAKER_00=speech
"""

from absl import flags

from launch import app

_CHECKPOINTS = flags.DEFINE_list(
  "checkpoint", None, "What training wrote, or JSON that this command wrote; of several, with commas."
)
_ESTIMATE = flags.DEFINE_string(
  "estimate", None, "Label file, or folder of label files, of any tool; with --reference."
)
_REFERENCE = flags.DEFINE_string("reference", None, "Label files with the truth, of the same names.")
_MAP = flags.DEFINE_list("map", [], "What labels in these files mean, as SPEAKER_00=speech,music=others,la=none.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set.")
_SPLIT = flags.DEFINE_string("split", "test", "Split to evaluate on.")
_CONDITION = flags.DEFINE_string("by", None, "Condition of the recordings to tell scores apart by, such as snr_db.")
_PROTOCOL = flags.DEFINE_string("protocol", "closed", "Evaluation protocol: closed, paper or sed_eval_default.")
_METRICS = flags.DEFINE_enum(
  "metrics", "attavvad", ["attavvad", "sed_eval"], "Who counts: this package, or sed_eval (the extra of that name)."
)
_TO = flags.DEFINE_list("to", [], "Files to write beside what is printed, some of json,csv.")
_OUTPUT = flags.DEFINE_string("output", "evaluation", "Name of these files, without .json and .csv.")


def main():
  if _ESTIMATE.value and _REFERENCE.value and not (_CHECKPOINTS.value or _TO.value):
    from attavvad_jax.annotations import Reading
    from attavvad_jax.evaluation.files import evaluate_files

    reading = Reading.parse(_MAP.value)
    print(evaluate_files(_ESTIMATE.value, _REFERENCE.value, _PROTOCOL.value, reading, _METRICS.value))
    return
  if not _CHECKPOINTS.value or _ESTIMATE.value or _REFERENCE.value:
    raise ValueError("expected --checkpoint and --data, or --estimate and --reference, which go without --to")
  from attavvad_jax.evaluation import stored
  from attavvad_jax.evaluation.run import comparison_table, evaluate_all

  stored.check_writable(_OUTPUT.value, _TO.value)
  evaluations = evaluate_all(
    _CHECKPOINTS.value, _DATA.value, _SPLIT.value, _PROTOCOL.value, _CONDITION.value, _METRICS.value
  )
  print(*evaluations, sep="\n\n")
  for path in stored.write(evaluations, _OUTPUT.value, _TO.value):
    print(f"wrote {path}")
  if len(evaluations) > 1:
    print(f"\n{comparison_table(evaluations)}")


if __name__ == "__main__":
  app.run(main)
