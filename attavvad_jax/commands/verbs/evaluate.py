"""`attavvad evaluate`."""

from collections.abc import Sequence

from attavvad_jax.commands import options
from attavvad_jax.commands.base import Command, Option

_FORMAT = "name, or package.module:Name, of the format of the label files of"


def run(
  checkpoint: Sequence[str],
  data: str | None,
  split: str,
  by: str | None,
  protocol: str,
  metrics: str,
  to: Sequence[str],
  output: str,
  estimate: str | None,
  reference: str | None,
  estimate_format: str | None,
  reference_format: str | None,
  map: Sequence[str],
) -> None:
  if estimate and reference and not (checkpoint or to):
    from attavvad_jax.annotations import Reading
    from attavvad_jax.evaluation.files import evaluate_files

    readings = Reading.parse(map, format=estimate_format), Reading.parse(map, format=reference_format)
    print(evaluate_files(estimate, reference, protocol, *readings, metrics))
    return
  if not checkpoint or estimate or reference or estimate_format or reference_format:
    raise ValueError("expected --checkpoint and --data, or --estimate and --reference without --to")
  from attavvad_jax.evaluation import stored
  from attavvad_jax.evaluation.run import comparison_table, evaluate_all

  stored.check_writable(output, to)
  evaluations = evaluate_all(checkpoint, data, split, protocol, by, metrics)
  print(*evaluations, sep="\n\n")
  for path in stored.write(evaluations, output, to):
    print(f"wrote {path}")
  if len(evaluations) > 1:
    print(f"\n{comparison_table(evaluations)}")


COMMAND = Command(
  "evaluate",
  "score checkpoints on prepared data, or label files against a reference",
  "Prints event-based and segment-based scores of checkpoints on a split of prepared data, and compares several "
  "checkpoints with confidence intervals. With --estimate and --reference it scores label files of any tool.",
  "attavvad evaluate --checkpoint=runs/small --data=data",
  (
    Option(
      "checkpoint",
      "workdir, checkpoint folder, or JSON that this command wrote; several are separated by commas",
      "list",
      default=(),
      metavar="CHECKPOINT,…",
    ),
    Option("data", "prepared data set", "path"),
    Option("split", "split to evaluate on", default="test"),
    Option("by", "condition of the recordings that groups the scores, such as snr_db"),
    Option("protocol", "evaluation protocol: closed, paper or sed_eval_default", default="closed"),
    Option(
      "metrics",
      "implementation of the metrics: this package, or the library sed_eval (the extra of that name)",
      default="attavvad",
      choices=("attavvad", "sed_eval"),
    ),
    Option("to", "files to write besides printing: some of json,csv", "list", default=(), metavar="FORMAT,…"),
    Option("output", "path of these files without .json and .csv", "path", default="evaluation"),
    Option("estimate", "label file or folder of label files to score; needs --reference", "path"),
    Option("reference", "label file or folder of label files with the ground truth, under the same names", "path"),
    Option("estimate_format", f"{_FORMAT} --estimate"),
    Option("reference_format", f"{_FORMAT} --reference"),
    options.LABEL_MAP,
  ),
  run,
)
