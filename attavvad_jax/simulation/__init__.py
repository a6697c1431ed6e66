"""Simulated performances: videos with exact labels that a model can only solve by asking whose voice is heard.

Simulated: a performer in front of a camera who speaks, sings, is silent, or keeps the mouth shut while others are
heard; a mouth that follows the performer's own voice alone; voices off camera from the same population, in about
six tenths of the time labelled others; backing music in a key that the singing keeps to, crowd, applause, room tone
and reverberation; people who differ in face, hair, glasses, beard, framing, light and backdrop, who blink, look around
and sway. Speech and singing of a person come from one vocal tract. Timelines come from a semi-Markov model near the
statistics of MAVC100.

Not simulated: words with a meaning, consonants that only lips show, several faces, mouths that move without a voice
(chewing, yawning, playback), anything before the face, cuts, zooms, motion blur, bad light, microphones with a
character, and levels below a clean recording's.

Everything follows from a seed; splits draw from separate seeds. The synthesiser comes with the extra `simulation`.
"""

from attavvad_jax.simulation.scenes import SPLITS, Scene, draw_scene, render_audio, render_frame, sound
from attavvad_jax.simulation.write import write_folder

__all__ = ["SPLITS", "Scene", "draw_scene", "render_audio", "render_frame", "sound", "write_folder"]
