"""Controls output other than results and errors: notes, progress bars and the logs of libraries."""

from collections.abc import Iterator
import contextlib
import logging
import os

from attavvad_jax.notes import QUIET


@contextlib.contextmanager
def loudness(*, quiet: bool, verbose: bool) -> Iterator[None]:
  """Silences notes and progress bars if `quiet`, and prints what libraries log at level INFO if `verbose`.

  Raises:
    ValueError: both are true.
  """
  from absl import logging as absl_logging

  if quiet and verbose:
    raise ValueError("--quiet and --verbose cannot both be given")
  if quiet:
    os.environ[QUIET] = "1"
  logger, level = logging.getLogger(), logging.getLogger().level
  absl_level, absl_logger = absl_logging.get_verbosity(), absl_logging.get_absl_logger()
  handler = logging.StreamHandler()
  if verbose:
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
  # TFDS and Orbax log every file at INFO.
  absl_logging.set_verbosity(absl_logging.INFO if verbose else absl_logging.ERROR if quiet else absl_logging.WARNING)
  absl_logger.addFilter(_is_worth_reading)
  try:
    yield
  finally:
    absl_logger.removeFilter(_is_worth_reading)
    absl_logging.set_verbosity(absl_level)
    logger.removeHandler(handler)
    logger.setLevel(level)
    if quiet:
      del os.environ[QUIET]


def _is_worth_reading(record: logging.LogRecord) -> bool:
  """Rejects a warning of grain, printed on import with jaxlib before 0.11: profilers miss its worker processes."""
  return "multiprocess worker profiling" not in str(record.msg)
