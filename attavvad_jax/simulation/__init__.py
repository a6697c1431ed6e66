"""Simulated performances: videos with exact labels, for which a model must decide whose voice it hears.

The simulation includes:
- A performer in front of a camera who speaks, sings, is silent, or is not the source of the audio, with the durations
  and transitions of MAVC100, and a mouth that follows the performer's own voice.
- Speech and singing of each person from one vocal tract, with the phonemes of some thirty languages.
- Music with harmony, bass and drums in the key of the singing, with and without a second voice; crowd, applause,
  cheers and clicks; room tone, hum and reverberation; lossy codecs; voices from clean to quieter than the backing.
- Distractors: voices off camera that perform in other scenes, a guest, recordings from loudspeakers; mouths that chew,
  yawn, smile, or move without words or to words other than the audible ones; microphones and hands in front of the
  mouth, a face outside the frame, motion blur and bad light.
- People who differ in face, hair, glasses, beard and headwear, and who blink, look around and sway.

It does not include meaningful words, consonants that only lips show, several faces, cuts and zooms, overlapping voices
(except backing vocals), expression in playing or singing, or visible instruments.

A seed determines everything. Splits share no voice, face, tune or place, whatever the seeds (`cast`). `difficulty`
states how hard a preset is, and the conditions of a scene how hard the scene is. Voices need the extra `simulation`.
"""

from attavvad_jax.simulation.cast import SPLITS
from attavvad_jax.simulation.difficulty import PRESETS
from attavvad_jax.simulation.scenes import Scene, draw_scene, render_audio, render_frame, render_stems
from attavvad_jax.simulation.write import write_folder

__all__ = ["PRESETS", "SPLITS", "Scene", "draw_scene", "render_audio", "render_frame", "render_stems", "write_folder"]
