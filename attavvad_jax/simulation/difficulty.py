"""What makes a simulated performance easy or hard, in numbers.

`unaccompanied` is nobody but the performer in a quiet room: what Base-A's source task is learned on. `clean` is a
recording studio: what is hard about it is the task alone. `live` is a stream from a furnished room with guests,
listeners and a compressed sound track. `hard` is a stage: nearly all that is not the performer's is somebody else's
voice, the backing is as loud as the voice or louder, and the mouth is hidden or moves to something else now and then.
`varied` is `live` with everything spread more widely, mouths that hardly open and faces that are never at rest: what a
network is trained on that shall work on real footage.
"""

import dataclasses

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Difficulty:
  """One preset. Chances and shares are 0..1; what is "given" is meant among such events only.

  Attributes:
    off_camera: share of the stretches labeled others in which somebody off camera speaks or sings.
    stretch_s: how long one sound off camera lasts before another takes its place; the median.
    answers: share of the voices off camera that do what the performer does just before or after.
    playback: share of them in which a recorded voice comes from the loudspeakers.
    guest: chance that a performance has a guest, who then does all off-camera speaking: a dialogue.
    other_words: share of those two kinds in which the performer's mouth moves all the same: to other words, or along
      with the playback.
    idle_mouth: share of the stretches without any voice in which the performer chews, yawns, smiles or mouths words.
    snr_db: a performance's mean level of voices over everything else that sounds; parts scatter by 3 dB around it.
    backing_vocals: chance that a song has them.
    music: chance of music under speech, under singing, and without a voice.
    noise: chance of crowd, applause, cheers or clicks in a stretch.
    reverb_s: time in which the room's reverberation falls by 60 dB.
    wet: level of the reverberation over the direct sound.
    codec: chance of a lossy codec.
    bit_rate_kbps: of that codec.
    occluded: share of the time in which a microphone or a hand is before the mouth.
    stand: chance of a microphone on a stand before the chin.
    away: share of the time in which the face is out of the frame.
    bad_light: 0 for good light to 1 for the worst.
    restlessness: speed of the head's sway, 1 for somebody who sits and plays.
    idle_mouths: shares of chewing, yawning, smiling, mouthing words and grimacing among what an idle mouth does.
    idle_under_voice: share of the voices off camera under which the performer's mouth is idle in one of these ways, or
      grimaces where it would have mouthed words.
    articulation: how far a mouth opens with its voice, by performance; 1 as far as the vowels of the voice say.
    lips: how much lips differ from the skin, by performance; 1 as much as the face has it.
    teeth: how bright teeth are, by performance; 1 in full light.
    turn: how far heads turn and tilt, by performance; 1 for somebody who looks into the camera.
    beaming: share of the time in which the performer smiles with bare teeth, by performance, whatever is heard and
      whatever else the mouth does.
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
  idle_mouths: tuple[float, float, float, float, float] = (0.3, 0.15, 0.15, 0.4, 0.0)
  idle_under_voice: float = 0.0
  articulation: Range = (1.0, 1.0)
  lips: Range = (1.0, 1.0)
  teeth: Range = (1.0, 1.0)
  turn: Range = (1.0, 1.0)
  beaming: Range = (0.0, 0.0)


_CLEAN = Difficulty(
  # The share of MAVC100: 232 s of the 1,318 s labeled others hold somebody's singing.
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

PRESETS = {
  # One voice after another in a quiet room; where nobody performs it is silent, or the listeners are heard.
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
  "varied": dataclasses.replace(
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
    idle_mouths=(0.15, 0.1, 0.2, 0.2, 0.35),
    idle_under_voice=0.6,
    articulation=(0.15, 0.8),
    lips=(0.1, 1.0),
    teeth=(0.25, 1.0),
    turn=(0.5, 3.0),
    beaming=(0.0, 0.4),
  ),
}


def preset(name: str) -> Difficulty:
  """The numbers of a preset.

  Raises:
    ValueError: there is no such preset; names those that there are.
  """
  if name not in PRESETS:
    raise ValueError(f"unknown preset {name!r}; expected one of {', '.join(PRESETS)}")
  return PRESETS[name]
