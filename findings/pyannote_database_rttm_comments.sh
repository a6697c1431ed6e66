#!/bin/sh
# pyannote.database's load_rttm takes a comment of RTTM for a recording.
#
# RTTM has comments: lines that begin with two semicolons (NIST's evaluation plans, and its scorer md-eval passes over
# them). load_rttm reads each line as a row of ten columns: of ";; draft" the second word becomes a recording without
# turns. Who loads a file of one recording gets two, and no warning. (Longer comments do not fit the columns and are a
# ValueError about a word that is no number.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install -q pyannote.database==6.1.1 pandas==3.1.1

cat > one_recording.rttm <<'END'
;; draft
SPEAKER clip_1 1 0.5 0.75 <NA> <NA> speech <NA> <NA>
SPEAKER clip_1 1 2.0 1.0 <NA> <NA> singing <NA> <NA>
END

env/bin/python - <<'END'
import importlib.metadata
import warnings

from pyannote.database.util import load_rttm

for package in ("pyannote.database", "pyannote.core", "pandas"):
  print(package, importlib.metadata.version(package))
with warnings.catch_warnings(record=True) as told:
  warnings.simplefilter("always")
  found = load_rttm("one_recording.rttm")
for recording, turns in found.items():
  print(f"{recording!r}: {len(turns)} turns")
about_comments = [str(warning.message) for warning in told if "draft" in str(warning.message)]
assert set(found) == {"clip_1", "draft"} and len(found["draft"]) == 0 and not about_comments, "not as described"
print("As described: the comment ';; draft' is given as a recording 'draft' without turns, and nothing is said of it.")
END
