"""Simulated performances: videos with exact labels that a model can only solve by asking whose voice is heard.

Simulated:
- A performer in front of a camera who speaks, sings, is silent, or is not the source of what is heard, when and for how
  long as in MAVC100; a mouth that follows the performer's own voice.
- Speech and singing of a person from one vocal tract, in some thirty languages' sounds.
- Music with harmony, bass and drums in a key that the singing keeps to, with and without a second voice; crowd,
  applause, cheers and clicks; room tone, hum and reverberation; lossy codecs; voices from clean to below the rest.
- What misleads: voices off camera that perform elsewhere, a guest, recordings from the loudspeakers, mouths that chew,
  yawn, smile, or move to no words or to others than those heard; microphones and hands before the mouth, the face out
  of the frame, motion blur and bad light.
- People who differ in face, hair, glasses, beard and headwear, who blink, look around and sway.

Not simulated: words with a meaning, consonants that only lips show, several faces, cuts and zooms, voices that overlap
(but for backing vocals), expression in playing or singing, instruments in the picture.

Everything follows from a seed. Splits share no voice, face, tune or place, whatever the seeds (`cast`). How hard it is,
is stated in `difficulty`, and for each performance in its conditions. Voices come with the extra `simulation`.
"""

from attavvad_jax.simulation.cast import SPLITS
from attavvad_jax.simulation.difficulty import PRESETS
from attavvad_jax.simulation.scenes import Scene, draw_scene, render_audio, render_frame, sound
from attavvad_jax.simulation.write import write_folder

__all__ = ["PRESETS", "SPLITS", "Scene", "draw_scene", "render_audio", "render_frame", "sound", "write_folder"]
