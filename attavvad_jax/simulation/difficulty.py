"""Presets that state in numbers how easy or hard a simulated performance is.

`unaccompanied` is the performer alone in a quiet room, for the source task of Base-A. `clean` is a recording studio,
where only the task itself is hard. `live` is a stream from a furnished room with guests, listeners and compressed
audio. `hard` is a stage: nearly all other audio is voices, the backing is as loud as the voice or louder, and the mouth
is sometimes hidden or moves to other words. `varied` is `live` with wider ranges, mouths that hardly open and faces
that are never at rest, for training networks that must work on real footage. `natural` is `varied` with mouths that
move as far and as fast as those of real performers, at the video's own rate, singers who glide, scoop and hurry, small
faces, and a video codec. `recorded` is `natural` with recorded voices for a quarter of the people and recorded music in
half of the performances.
"""

import dataclasses

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Difficulty:
  """One preset. Probabilities and fractions are 0..1; each performance draws a value from a range (low, high).

  Attributes:
    off_camera: fraction of the stretches labeled others in which somebody off camera speaks or sings.
    stretch_s: median duration of one off-camera source before another replaces it.
    answers: fraction of the off-camera voices that do what the performer does just before or after.
    playback: fraction of the stretches labeled others in which a recorded voice comes from the loudspeakers.
    guest: probability that a performance has a guest, who then does all off-camera speaking: a dialogue.
    other_words: fraction of the off-camera and playback stretches in which the performer's mouth moves nevertheless: to
      other words, or along with the playback.
    idle_mouth: fraction of the stretches without any voice in which the mouth makes an idle movement.
    snr_db: mean level of the voices over all other audio; parts scatter by 3 dB around it.
    backing_vocals: probability that a song has backing vocals.
    music: probability of music under speech, under singing, and without a voice.
    noise: probability of crowd, applause, cheers or clicks in a stretch.
    reverb_s: time in which the room's reverberation falls by 60 dB.
    wet: level of the reverberation relative to the direct signal.
    codec: probability of a lossy codec.
    bit_rate_kbps: bit rate of the codec.
    occluded: fraction of the time in which a microphone or a hand is in front of the mouth.
    stand: probability of a microphone on a stand in front of the chin.
    away: fraction of the time in which the face is outside the frame.
    bad_light: 0 for good light to 1 for the worst.
    restlessness: speed of the head's sway; 1 for somebody who sits and plays.
    idle_mouths: fractions of chewing, yawning, smiling, mouthing words, grimacing, laughing, licking the lips and
      breathing through the mouth among the idle movements.
    idle_under_voice: fraction of the off-camera and playback stretches, among those without `other_words`, in which the
      mouth makes an idle movement; it grimaces instead of mouthing words.
    articulation: how far the mouth opens with its voice; 1 as far as the vowels of the voice imply.
    sung_articulation: factor of the articulation in singing.
    sung_movement: relative size of the movements of the jaw while a sung vowel is held.
    phrasing: fraction of the sung stretches with a phrasing and a pace of their own; the others are legato and as slow
      as their song's motif.
    lips: contrast of the lips with the skin; 1 as the face has it.
    teeth: brightness of the teeth; 1 in full light.
    turn: how far the head turns and tilts; 1 for somebody who looks into the camera.
    frame_scale: size of the frames that faces are cut from, relative to 480 x 360 pixels.
    crf: range of the quantization of the video codec (x264); None without one.
    recorded_voices: fraction of the people whose voice is recorded.
    recorded_music: fraction of the performances whose music is recorded.
    beaming: fraction of the time in which the performer smiles with bare teeth, whatever the audio and the other
      movements of the mouth.
  """

  off_camera: float
  stretch_s: float
  answers: float
  playback: float
  guest: float
  other_words: float
  idle_mouth: float
  snr_db: Range
  backing_vocals: float
  music: tuple[float, float, float]
  noise: float
  reverb_s: Range
  wet: Range
  codec: float
  bit_rate_kbps: Range
  occluded: float
  stand: float
  away: float
  bad_light: Range
  restlessness: Range
  idle_mouths: tuple[float, ...] = (0.3, 0.15, 0.15, 0.4, 0.0, 0.0, 0.0, 0.0)
  idle_under_voice: float = 0.0
  articulation: Range = (1.0, 1.0)
  sung_articulation: Range = (1.0, 1.0)
  sung_movement: Range = (0.0, 0.0)
  phrasing: float = 0.0
  lips: Range = (1.0, 1.0)
  teeth: Range = (1.0, 1.0)
  turn: Range = (1.0, 1.0)
  beaming: Range = (0.0, 0.0)
  frame_scale: Range = (1.0, 1.0)
  crf: tuple[int, int] | None = None
  recorded_voices: float = 0.0
  recorded_music: float = 0.0


_CLEAN = Difficulty(
  # As in MAVC100: 232 s of the 1,318 s labeled others contain singing.
  off_camera=0.18,
  stretch_s=6.0,
  answers=0.5,
  playback=0.0,
  guest=0.1,
  other_words=0.0,
  idle_mouth=0.1,
  snr_db=(15.0, 30.0),
  backing_vocals=0.1,
  music=(0.2, 0.8, 0.8),
  noise=0.1,
  reverb_s=(0.12, 0.3),
  wet=(0.02, 0.15),
  codec=0.0,
  bit_rate_kbps=(64.0, 64.0),
  occluded=0.0,
  stand=0.0,
  away=0.0,
  bad_light=(0.0, 0.0),
  restlessness=(0.5, 1.0),
)

_LIVE = Difficulty(
  off_camera=0.65,
  stretch_s=2.0,
  answers=0.7,
  playback=0.08,
  guest=0.4,
  other_words=0.1,
  idle_mouth=0.6,
  snr_db=(5.0, 20.0),
  backing_vocals=0.3,
  music=(0.5, 0.85, 0.7),
  noise=0.3,
  reverb_s=(0.15, 0.6),
  wet=(0.05, 0.4),
  codec=0.5,
  bit_rate_kbps=(24.0, 64.0),
  occluded=0.1,
  stand=0.2,
  away=0.02,
  bad_light=(0.0, 0.4),
  restlessness=(0.6, 1.5),
)

_VARIED = dataclasses.replace(
  _LIVE,
  stretch_s=1.5,
  idle_mouth=0.8,
  snr_db=(-2.0, 30.0),
  music=(0.4, 0.8, 0.6),
  reverb_s=(0.12, 1.0),
  wet=(0.02, 0.5),
  bit_rate_kbps=(16.0, 64.0),
  bad_light=(0.0, 0.6),
  restlessness=(0.3, 2.0),
  idle_mouths=(0.15, 0.1, 0.2, 0.2, 0.35, 0.0, 0.0, 0.0),
  idle_under_voice=0.6,
  articulation=(0.15, 0.8),
  lips=(0.1, 1.0),
  teeth=(0.25, 1.0),
  turn=(0.5, 3.0),
  beaming=(0.0, 0.4),
)

# Ranges chosen by comparing the opening of simulated lips, and its movement between 2 and 8 Hz, with landmarks of real
# clips; see docs/decisions/16-lip-movement.md.
_NATURAL = dataclasses.replace(
  _VARIED,
  other_words=0.15,
  bad_light=(0.0, 0.4),
  restlessness=(0.2, 1.5),
  idle_mouths=(0.1, 0.08, 0.25, 0.15, 0.25, 0.1, 0.04, 0.03),
  idle_under_voice=0.7,
  articulation=(0.25, 1.1),
  sung_articulation=(1.0, 1.8),
  sung_movement=(0.1, 0.5),
  phrasing=0.75,
  frame_scale=(0.4, 1.0),
  crf=(18, 36),
  turn=(0.3, 2.0),
)

PRESETS = {
  # A single voice in a quiet room; between its events there is silence or the noise of listeners.
  "unaccompanied": dataclasses.replace(
    _CLEAN, off_camera=0.0, guest=0.0, idle_mouth=0.0, backing_vocals=0.0, music=(0.0, 0.0, 0.0), noise=0.0
  ),
  "clean": _CLEAN,
  "live": _LIVE,
  "hard": Difficulty(
    off_camera=0.82,
    stretch_s=1.0,
    answers=0.9,
    playback=0.10,
    guest=0.5,
    other_words=0.13,
    idle_mouth=0.9,
    snr_db=(-2.0, 12.0),
    backing_vocals=0.5,
    music=(0.7, 0.95, 0.9),
    noise=0.5,
    reverb_s=(0.3, 1.2),
    wet=(0.15, 0.7),
    codec=0.9,
    bit_rate_kbps=(16.0, 32.0),
    occluded=0.15,
    stand=0.3,
    away=0.03,
    bad_light=(0.1, 0.7),
    restlessness=(0.8, 2.0),
  ),
  "varied": _VARIED,
  "natural": _NATURAL,
  "recorded": dataclasses.replace(_NATURAL, recorded_voices=0.25, recorded_music=0.5),
}


def preset(name: str) -> Difficulty:
  """Returns a preset.

  Raises:
    ValueError: the preset does not exist; the message lists the presets.
  """
  if name not in PRESETS:
    raise ValueError(f"unknown preset {name!r}; expected one of {', '.join(PRESETS)}")
  return PRESETS[name]
