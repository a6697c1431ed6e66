"""Draws one simulated performance and renders its audio and video.

Labels. The performer's timeline has speech or singing only while the performer's own voice is audible; otherwise it has
others if anything is audible above the room tone, and silence if not. An event ends with its source: the reverberation
after it belongs to the next event, silence included. The timeline of any voice has speech or singing for every voice:
an off-camera singer, a guest, a recording from the loudspeakers. Backing vocals occur only under singing, so they
change neither timeline.

Off-camera voices come from the same cast as the performer's, at the same level over the same backing: audio alone does
not reveal whose voice it is. The performer's mouth moves with the performer's own voice, but sometimes also without any
voice or to words other than the audible ones: video alone does not reveal it either.

Axes: n samples at 16 kHz, T mouth frames of 5 ms, H, W pixels.
"""

from collections.abc import Sequence
import dataclasses
import functools

import numpy as np

from attavvad_jax.simulation import codec, difficulty, music, noise, recorded, timelines, voices
from attavvad_jax.simulation.cast import PEOPLE, SPLITS, Person, draw_for, person
from attavvad_jax.simulation.codec import Codec
from attavvad_jax.simulation.difficulty import Difficulty
from attavvad_jax.simulation.faces import FaceState, Occlusion, render
from attavvad_jax.simulation.music import Song
from attavvad_jax.simulation.noise import Room
from attavvad_jax.simulation.portraits import Camera, Face
from attavvad_jax.simulation.vocoder import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from attavvad_jax.simulation.voices import Phrasing, Utterance
from attavvad_jax.timeline import VOCAL_EVENTS, Event, Timeline

IDLE_MOUTHS = ("chewing", "yawning", "smiling", "mouthing", "grimacing", "laughing", "licking", "breathing")
NOISES = {"crowd": noise.crowd, "applause": noise.applause, "cheers": noise.cheers, "clicks": noise.clicks}
# Off-camera voices belong to the performers of this many scenes just before and after.
_NEIGHBORS = 6
# How much faster than its motif a song is sung.
_PACES = (0.5, 1.0, 1.0, 2.0, 3.0)
_NO_BACKING_DB = -40.0  # level of a missing backing when levels are averaged
_UNCODED_KBPS = 16 * SAMPLE_RATE_HZ / 1000
_BLINK_S = 0.2
_ARM_S, _STEP_S = 0.3, 0.6  # time of a hand to the mouth, and of the performer out of the frame
_SMILE_S, _BEAMING_S = 0.35, 3.0  # time in which a smile forms, and its mean duration


@dataclasses.dataclass(frozen=True)
class Part:
  """One stretch of the performer's timeline, with its audio sources and the movement of the mouth.

  Attributes:
    event: time and the performer's label; an event labeled others may contain several stretches.
    source: source of the voice: performer, off camera, playback, or none.
    voice: person whose voice is audible, None for nobody.
    act: speech or singing, None without a voice.
    mouth: voice (moves with the performer's own voice), shut, along (moves with the playback), other words, or one of
      `IDLE_MOUTHS`.
    backing_db: level of music and noise together relative to a voice; None without both.
    music: whether there is music.
    noise: one of `NOISES`, None without noise.
    noise_db: level of the noise relative to the music.
    backing_voice: person who sings the second voice, None for nobody.
    seed: seed of words, melody, noise and movements.
  """

  event: Event
  source: str
  voice: Person | None
  act: str | None
  mouth: str
  backing_db: float | None
  music: bool
  noise: str | None
  noise_db: float
  backing_voice: Person | None
  seed: int


@dataclasses.dataclass(frozen=True)
class Episode:
  """A time in which the mouth is not visible.

  Attributes:
    onset_s: start.
    offset_s: end.
    kind: microphone or hand (in front of the mouth), or away (the face is outside the frame).
    side: side from which the object comes or to which the face leaves, -1 left to 1 right.
  """

  onset_s: float
  offset_s: float
  kind: str
  side: float


@dataclasses.dataclass(frozen=True)
class Scene:
  """One performance, which determines its audio and video.

  Attributes:
    preset: a name of `difficulty.PRESETS`.
    duration_s: duration.
    performer: person on camera.
    guest: person who does all off-camera speaking, None if anybody does.
    camera: framing, light and backdrop.
    bad_light: 0 for good light to 1 for the worst.
    exposure_s: exposure time of each frame, which blurs motion.
    restlessness: speed of the head's sway, around 1.
    articulation: how far the mouth opens with its voice; 1 as far as the vowels imply.
    sung_articulation: factor of the articulation in singing.
    sung_movement: relative size of the movements of the jaw while a sung vowel is held.
    lips: contrast of the lips with the skin, 0 to 1.
    teeth: brightness of the teeth, 0 to 1.
    turn: how far the head turns and tilts, around 1.
    beaming: fraction of the time in which the performer smiles with bare teeth, whatever else the mouth does.
    stand: a microphone on a stand in front of the chin.
    room: reverberation and room tone.
    song: the backing music.
    codec: codec of the audio, None without one.
    parts: stretches in order and without gaps.
    episodes: times in which the mouth is not visible.
    seed: seed of all random values in rendering.
    sounds: folder of recorded voices and music, None if the preset has none.
    has_recorded_music: whether the music is recorded.
    frame_scale: size of the frames that faces are cut from, relative to 480 x 360 pixels.
    crf: quantization of the video codec (x264), None without one.
  """

  preset: str
  duration_s: float
  performer: Person
  guest: Person | None
  camera: Camera
  bad_light: float
  exposure_s: float
  restlessness: float
  articulation: float
  sung_articulation: float
  sung_movement: float
  lips: float
  teeth: float
  turn: float
  beaming: float
  stand: Occlusion | None
  room: Room
  song: Song
  codec: Codec | None
  parts: tuple[Part, ...]
  episodes: tuple[Episode, ...]
  seed: int
  sounds: str | None = None
  has_recorded_music: bool = False
  frame_scale: float = 1.0
  crf: int | None = None

  @property
  def frame_size(self) -> tuple[int, int]:
    """Width and height in pixels, both even, of the frames that faces are cut from."""
    return 2 * round(240 * self.frame_scale), 2 * round(180 * self.frame_scale)

  @property
  def face(self) -> Face:
    return self.performer.face

  @property
  def timeline(self) -> Timeline:
    """The performer's events."""
    return _joined([part.event for part in self.parts], self.duration_s)

  @property
  def audio_timeline(self) -> Timeline:
    """Events of any voice; consecutive voices without a gap form one event."""
    events = [dataclasses.replace(part.event, label=part.act or part.event.label) for part in self.parts]
    return _joined(events, self.duration_s)

  @property
  def conditions(self) -> dict[str, str | float | bool]:
    """The conditions that make this performance hard. Values named `..._share` are fractions of its duration.

    `snr_db` is the level of the performer's voice relative to all simultaneous audio, 40 at most. If the performer is
    never audible, it is the level of an equally loud voice relative to the backing of all parts.
    """

    def fraction(chosen: Sequence[Part | Episode]) -> float:
      spans = [item.event if isinstance(item, Part) else item for item in chosen]
      return round(sum(span.offset_s - span.onset_s for span in spans) / self.duration_s, 4)

    own = [part for part in self.parts if part.source == "performer"] or list(self.parts)
    power = [10 ** ((_NO_BACKING_DB if part.backing_db is None else part.backing_db) / 10) for part in own]
    hidden = [episode for episode in self.episodes if episode.kind != "away"]
    return {
      "preset": self.preset,
      "performer": self.performer.name,
      "performer_sex": self.performer.sex,
      "language": self.performer.voice.language,
      "snr_db": round(float(-10 * np.log10(np.average(power, weights=[part.event.duration_s for part in own]))), 1),
      "music": any(part.music for part in self.parts),
      "backing_vocals": any(part.backing_voice is not None for part in self.parts),
      "crowd": any(part.noise is not None for part in self.parts),
      "guest": self.guest is not None and any(part.voice == self.guest and part.act == "speech" for part in self.parts),
      "off_camera_voice_share": fraction([part for part in self.parts if part.source == "off camera"]),
      "playback_share": fraction([part for part in self.parts if part.source == "playback"]),
      "other_words_share": fraction([part for part in self.parts if part.mouth in ("other words", "along")]),
      "idle_mouth_share": fraction([part for part in self.parts if part.mouth in IDLE_MOUTHS]),
      "occlusion": hidden[0].kind if hidden else "stand" if self.stand is not None else "none",
      "occluded_share": fraction(hidden),
      "away_share": fraction([episode for episode in self.episodes if episode.kind == "away"]),
      "bad_light": round(self.bad_light, 3),
      "codec": "none" if self.codec is None else self.codec.name,
      "bit_rate_kbps": _UNCODED_KBPS if self.codec is None else float(self.codec.bit_rate_kbps),
      "reverb_s": round(self.room.decay_s, 3),
    }


@dataclasses.dataclass(frozen=True)
class Stems:
  """The stems of a scene without reverberation, the recorded mixture, and the performer's mouth every 5 ms.

  Attributes:
    performer: the performer's voice. float32 [n].
    other_voices: off-camera voices and playback. float32 [n].
    backing: music, backing vocals and noise. float32 [n].
    mixture: recorded audio, after room and codec. float32 [n] within ±1.
    openness: opening of the mouth, 0 shut to 1 wide open. float32 [T].
    width: width of the mouth, -1 rounded to 1 spread. float32 [T].
    smile: smile, 0 to 1. float32 [T].
    jaw_shift: sideways shift of the jaw, -1 to 1. float32 [T].
  """

  performer: np.ndarray
  other_voices: np.ndarray
  backing: np.ndarray
  mixture: np.ndarray
  openness: np.ndarray
  width: np.ndarray
  smile: np.ndarray
  jaw_shift: np.ndarray


def draw_scene(
  seed: int,
  index: int,
  split: str = "train",
  duration_s: float = 30.0,
  preset: str = "live",
  sounds: str | None = None,
) -> Scene:
  """Draws a scene. Its performer is the person with the number `index`; women and men alternate.

  Args:
    seed: seed of the cast and of all random values.
    index: number of the scene in its split.
    split: one of `SPLITS`; splits share no voice, face, tune or place, whatever the seeds.
    duration_s: duration.
    preset: a name of `difficulty.PRESETS`.
    sounds: folder of recorded voices and music (`recorded`); only for presets that use them, which need it.

  Raises:
    ValueError: split or preset is unknown, the duration is not positive, seed or index is negative, or `sounds` does
      not fit the preset.
  """
  if split not in SPLITS:
    raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
  if not duration_s > 0:
    raise ValueError(f"duration_s is {duration_s}; expected a positive number of seconds")
  if seed < 0 or index < 0:
    raise ValueError(f"seed is {seed} and index {index}; expected 0 or more")
  level = difficulty.preset(preset)
  check_sounds(preset, sounds)
  rng = np.random.default_rng([seed, SPLITS.index(split), index])
  performer = person(split, seed, index)
  first = max(0, index - _NEIGHBORS)
  near = [number for number in range(first, first + 2 * _NEIGHBORS + 1) if (number - index) % PEOPLE[split]]
  company = [person(split, seed, number) for number in near]
  guest = company[int(rng.integers(len(company)))] if rng.uniform() < level.guest else None
  bad_light = rng.uniform(*level.bad_light)
  stand = Occlusion("stand", rng.uniform(-0.6, 0.6), rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.1))
  song = draw_for(split, lambda: Song.draw(rng, level.backing_vocals), lambda song: song.identity)
  return Scene(
    preset=preset,
    duration_s=duration_s,
    performer=performer,
    guest=guest,
    camera=draw_for(split, lambda: Camera.draw(rng, bad_light), lambda camera: camera.identity),
    bad_light=bad_light,
    exposure_s=rng.uniform(0.008, 0.02) * (1 + bad_light),
    restlessness=rng.uniform(*level.restlessness),
    stand=stand if rng.uniform() < level.stand else None,
    room=Room.draw(rng, level.reverb_s, level.wet),
    song=song,
    codec=_draw_codec(level, rng),
    parts=_draw_parts(
      _draw_stretches(timelines.draw_events(duration_s, rng), level, rng), performer, guest, company, song, level, rng
    ),
    episodes=_draw_episodes(duration_s, level, rng),
    seed=int(rng.integers(2**31)),
    # Drawn last, so that the draws above do not depend on these.
    articulation=rng.uniform(*level.articulation),
    lips=rng.uniform(*level.lips),
    teeth=rng.uniform(*level.teeth),
    turn=rng.uniform(*level.turn),
    beaming=rng.uniform(*level.beaming),
    sung_articulation=rng.uniform(*level.sung_articulation),
    sung_movement=rng.uniform(*level.sung_movement),
    sounds=sounds,
    has_recorded_music=sounds is not None and bool(rng.uniform() < level.recorded_music),
    frame_scale=rng.uniform(*level.frame_scale),
    crf=int(rng.integers(level.crf[0], level.crf[1] + 1)) if level.crf is not None else None,
  )


def check_sounds(preset: str, sounds: str | None) -> None:
  """Checks that a folder of recorded sounds is given if, and only if, the preset uses it.

  Raises:
    ValueError: it is missing or not used, or holds no speech.
  """
  level = difficulty.preset(preset)
  needs = level.recorded_voices > 0 or level.recorded_music > 0
  if needs and sounds is None:
    raise ValueError(
      f"preset {preset!r} needs a folder of recorded voices and music; make one with python -m tools.get_sounds of a "
      "checkout"
    )
  if sounds is not None:
    if not needs:
      raise ValueError(f"preset {preset!r} uses no recorded sounds; expected preset 'recorded' with them")
    recorded.find_sounds(sounds)


def render_audio(scene: Scene) -> np.ndarray:
  """Renders the recorded audio. -> float32 [n] at 16 kHz."""
  return render_stems(scene).mixture


def render_frame(scene: Scene, time_s: float, width_px: int = 480, height_px: int = 360) -> np.ndarray:
  """Renders the frame at a time. -> uint8 [H,W,3] RGB."""
  return render(scene.face, scene.camera, face_state(scene, time_s), width_px, height_px)


@functools.lru_cache(maxsize=2)
def render_stems(scene: Scene) -> Stems:
  """Renders all stems of a scene and the matching mouth movements. Caches the last two scenes."""
  total = round(scene.duration_s * SAMPLE_RATE_HZ)
  stems = {name: np.zeros(total, np.float32) for name in ("performer", "other", "backing")}
  face = np.zeros((-(-total // (SAMPLE_RATE_HZ // FRAME_RATE_HZ)) + 1, 4), np.float32)
  rng = np.random.default_rng(scene.seed)
  song = _play(scene, rng)
  song_gain = np.zeros(total, np.float32)
  for part in scene.parts:
    span = slice(round(part.event.onset_s * SAMPLE_RATE_HZ), round(part.event.offset_s * SAMPLE_RATE_HZ))
    count = len(song[span])
    rng_part = np.random.default_rng(part.seed)
    phrasing, pace = _phrasing(part, scene)
    tune = music.melody(scene.song, part.event.onset_s, count / SAMPLE_RATE_HZ, _center(part, scene), rng_part, pace)
    utterance = None
    if part.voice is not None:
      utterance = _perform(part, part.voice, scene, tune, phrasing, count / SAMPLE_RATE_HZ, rng_part)
      wave = utterance.waveform
      if part.source == "playback":
        wave = noise.loudspeaker(wave, rng_part)
      stems["performer" if part.source == "performer" else "other"][span] += wave
    if part.backing_db is not None:
      extra = _accompany(part, scene.song, tune, phrasing, count, rng_part)
      together = extra + (song[span] if part.music else 0.0)
      gain = _gain(part.backing_db) * np.float32(voices.LEVEL / (np.sqrt(np.mean(together**2)) + 1e-9))
      stems["backing"][span] += extra * _fade(count) * gain
      song_gain[span] = gain * part.music
    frames = slice(round(part.event.onset_s * FRAME_RATE_HZ), round(part.event.offset_s * FRAME_RATE_HZ))
    face[frames] = _mouth(part, scene, utterance, tune, phrasing, len(face[frames]), rng_part)
  stems["backing"] += song * _eased(song_gain)
  mixture = noise.reverberate(stems["performer"] + stems["other"] + stems["backing"], scene.room, rng)
  mixture += noise.room_tone(scene.room, total, rng)
  mixture *= np.float32(min(1.0, 0.9 / np.abs(mixture).max()))
  if scene.codec is not None:
    mixture = np.clip(codec.round_trip(mixture, scene.codec), -1, 1)
  return Stems(stems["performer"], stems["other"], stems["backing"], mixture, *np.ascontiguousarray(face.T))


def face_state(scene: Scene, time_s: float) -> FaceState:
  """Returns the state of the performer's face at a time: mouth, blinks, glances, sway of the head, and occlusion."""
  stems = render_stems(scene)
  at = time_s * FRAME_RATE_HZ
  habit = _habits(scene)
  sway, later = _sway(habit, time_s), _sway(habit, time_s + scene.exposure_s)
  blink = np.max(np.clip(1.4 - np.abs(time_s - habit["blinks_s"]) / (_BLINK_S / 2), 0, 1), initial=0.0)
  glance = int(np.searchsorted(habit["glances_s"], time_s, side="right")) - 1
  away = _away(scene, time_s)
  # Yaw moves the face sideways by about 0.4 head heights a radian, and pitch moves it vertically by as much.
  moved_x = later[3] - sway[3] + 0.4 * np.deg2rad(later[0] - sway[0]) + _away(scene, time_s + scene.exposure_s) - away
  moved_y = later[4] - sway[4] + 0.4 * np.deg2rad(later[1] - sway[1])
  openness, width, smile, jaw_shift = (
    float(_value_at(track, at)) for track in (stems.openness, stems.width, stems.smile, stems.jaw_shift)
  )
  beaming, bared = _beaming(habit["smiles"], time_s)
  return FaceState(
    openness=openness + (1 - openness) * bared,
    width=float(np.clip(width + 0.4 * beaming + sway[5], -1, 1)),
    blink=float(blink),
    gaze_x=float(habit["gaze"][glance, 0]),
    gaze_y=float(habit["gaze"][glance, 1]),
    yaw_deg=float(sway[0]),
    pitch_deg=float(sway[1]),
    roll_deg=float(sway[2]),
    shift_x=float(sway[3] + away),
    shift_y=float(sway[4]),
    smile=max(smile, beaming),
    jaw_shift=jaw_shift,
    lips=scene.lips,
    teeth=scene.teeth,
    occlusion=_occlusion(scene, time_s),
    blur_px=float(np.hypot(moved_x, moved_y) * scene.camera.head_height * 360),
    blur_deg=float(np.rad2deg(np.arctan2(moved_y, moved_x))),
  )


@functools.lru_cache(maxsize=4)
def _habits(scene: Scene) -> dict[str, np.ndarray]:
  """Draws the performer's movements with a generator of their own, so that they are independent of the audio."""
  rng = np.random.default_rng([scene.seed, 1])
  count = int(scene.duration_s) + 2
  sizes = rng.uniform(0.3, 1.0, (6, 3))
  # Yaw, pitch and roll in degrees, x and y in head heights, width of the mouth.
  reach = np.array([9.0 * scene.turn, 5.0 * scene.turn, 4.0 * scene.turn, 0.05, 0.025, 0.15])[:, None]
  return {
    "rates_hz": scene.restlessness * rng.uniform(0.05, 0.5, (6, 3)),
    "phases": rng.uniform(0, 1, (6, 3)),
    "sizes": reach * sizes / sizes.sum(axis=1, keepdims=True) * rng.uniform(0.6, 1.6, (6, 1)),
    "blinks_s": np.cumsum(rng.uniform(1.5, 6.0, count)),
    "glances_s": np.concatenate([[-1.0], np.cumsum(rng.uniform(0.6, 4.0, count))]),
    "gaze": rng.normal(0, 1, (count + 1, 2)) * (0.35, 0.2),
    "smiles": _draw_smiles(scene, rng),
  }


def _draw_smiles(scene: Scene, rng: np.random.Generator) -> np.ndarray:
  """Draws onset, offset, strength, and parting of the lips for each smile. -> [n,4]."""
  smiles: list[tuple[float, float, float, float]] = []
  if not scene.beaming:
    return np.zeros((0, 4))
  time_s = -rng.uniform(0, 2 * _BEAMING_S)
  while time_s < scene.duration_s:
    onset_s = time_s + rng.exponential(_BEAMING_S * (1 - scene.beaming) / scene.beaming)
    time_s = onset_s + _BEAMING_S * rng.uniform(0.3, 1.7)
    smiles.append((onset_s, time_s, rng.uniform(0.2, 1.0), rng.uniform(0.1, 0.45)))
  return np.array(smiles)


def _sway(habit: dict[str, np.ndarray], time_s: float) -> np.ndarray:
  phases = 2 * np.pi * (habit["rates_hz"] * time_s + habit["phases"])
  return (np.sin(phases) * habit["sizes"]).sum(axis=1)


def _value_at(track: np.ndarray, position: float) -> float:
  """Interpolates linearly between two values of a track; positions are clamped to its ends."""
  position = min(max(position, 0.0), len(track) - 1.0)
  low = min(int(position), len(track) - 2)
  return track[low] + (track[low + 1] - track[low]) * (position - low)


def _beaming(smiles: np.ndarray, time_s: float) -> tuple[float, float]:
  """Returns the strength of the smile and the parting of the lips at a time."""
  reached = [_reached(onset_s, offset_s, time_s, _SMILE_S) for onset_s, offset_s, *_ in smiles]
  smile, bared = (np.array(reached)[:, None] * smiles[:, 2:]).max(axis=0, initial=0.0)
  return float(smile), float(bared)


def _reached(onset_s: float, offset_s: float, time_s: float, move_s: float) -> float:
  """Returns the progress, 0 to 1, of a movement that is complete from onset to offset."""
  before, after = onset_s - time_s, time_s - offset_s
  x = np.clip(1 - max(before, after) / move_s, 0, 1)
  return float(x * x * (3 - 2 * x))


def _away(scene: Scene, time_s: float) -> float:
  """Returns how far the performer has moved sideways out of the frame, in head heights."""
  steps = [e.side * _reached(e.onset_s, e.offset_s, time_s, _STEP_S) for e in scene.episodes if e.kind == "away"]
  return max(steps, key=abs, default=0.0) * 1.6 / scene.camera.head_height


def _occlusion(scene: Scene, time_s: float) -> Occlusion | None:
  """Returns the occlusion at a time: a hand or microphone that approaches, covers or leaves the mouth, or the stand."""
  for episode in scene.episodes:
    reached = _reached(episode.onset_s, episode.offset_s, time_s, _ARM_S)
    if episode.kind != "away" and reached > 0:
      low = 2.2 * (1 - reached)
      return Occlusion(episode.kind, 0.25 * episode.side + low * episode.side, 0.62 + low, 1.0, 40 * episode.side)
  return scene.stand


def _draw_codec(level: Difficulty, rng: np.random.Generator) -> Codec | None:
  chosen = Codec(str(rng.choice(codec.NAMES)), round(rng.uniform(*level.bit_rate_kbps)))
  return chosen if rng.uniform() < level.codec else None


def _draw_episodes(duration_s: float, level: Difficulty, rng: np.random.Generator) -> tuple[Episode, ...]:
  """Draws random, consecutive times of occlusion and absence that take their fractions of the duration."""
  hidden = level.occluded + level.away
  if not hidden:
    return ()
  episodes: list[Episode] = []
  mean_s = 4.0
  time_s = -rng.uniform(0, 2 * mean_s)
  while True:
    time_s += rng.exponential(mean_s * (1 - hidden) / hidden)
    if time_s >= duration_s:
      return tuple(episodes)
    kind = "away" if rng.uniform() < level.away / hidden else str(rng.choice(("microphone", "hand")))
    end_s = time_s + rng.uniform(0.5 * mean_s, 1.5 * mean_s)
    if end_s > 0:
      # Whole milliseconds, as in labels.
      onset_s, offset_s = round(max(0.0, time_s), 3), round(min(duration_s, end_s), 3)
      episodes.append(Episode(onset_s, offset_s, kind, float(rng.choice((-1.0, 1.0)))))
    time_s = end_s + _ARM_S + _STEP_S


def _draw_stretches(events: Sequence[Event], level: Difficulty, rng: np.random.Generator) -> list[Event]:
  """Splits the events labeled others where one off-camera source replaces another."""
  stretches = []
  for event in events:
    onset_s = event.onset_s
    while event.label == "others":
      end_s = round(onset_s + level.stretch_s * float(np.exp(rng.normal(0, 0.6))), 3)
      if event.offset_s - end_s < timelines.MIN_DURATION_S:
        break
      if end_s - onset_s >= timelines.MIN_DURATION_S:
        stretches.append(Event(onset_s, end_s, event.label))
        onset_s = end_s
    stretches.append(Event(onset_s, event.offset_s, event.label))
  return stretches


def _joined(events: Sequence[Event], duration_s: float) -> Timeline:
  """Returns a timeline in which consecutive events with the same label are joined."""
  joined: list[Event] = []
  for event in events:
    if joined and joined[-1].label == event.label:
      event = dataclasses.replace(event, onset_s=joined.pop().onset_s)
    joined.append(event)
  return Timeline(joined, duration_s)


def _draw_parts(
  events: Sequence[Event],
  performer: Person,
  guest: Person | None,
  company: Sequence[Person],
  song: Song,
  level: Difficulty,
  rng: np.random.Generator,
) -> tuple[Part, ...]:
  """Draws the audio sources and mouth movements of each event. The backing does not depend on whose voice it is."""
  snr_db = rng.uniform(*level.snr_db)
  backing_voice = company[int(rng.integers(len(company)))]
  parts: list[Part] = []
  for number, event in enumerate(events):
    around = [near.label for near in (*events[max(0, number - 1) : number], *events[number + 1 : number + 2])]
    source, act = _draw_voice(event, around, level, rng)
    voice = None
    if source == "performer":
      voice = performer
    elif source == "off camera" and act == "speech" and guest is not None:
      voice = guest
    elif source != "none":
      voice = company[int(rng.integers(len(company)))]
    # With probability 1/2, an event after anything but silence keeps the music state of the previous event.
    chance = level.music[2 if act is None else VOCAL_EVENTS.index(act)]
    goes_on = bool(parts) and parts[-1].event.label != "silence" and rng.uniform() < 0.5
    has_music = parts[-1].music if goes_on else bool(rng.uniform() < chance)
    has_noise = rng.uniform() < level.noise or (voice is None and not has_music)
    quiet = event.label == "silence"
    # Without a voice, the backing is about as loud as a voice.
    backing_db = -snr_db + rng.normal(0, 3) if voice is not None else rng.uniform(-8, 4)
    sung = act == "singing" and has_music and song.backing_vocals
    parts.append(
      Part(
        event=event,
        source=source,
        voice=voice,
        act=act,
        mouth=_draw_mouth(source, level, rng),
        backing_db=backing_db if (has_music or has_noise) and not quiet else None,
        music=has_music and not quiet,
        noise=str(rng.choice(list(NOISES))) if has_noise and not quiet else None,
        noise_db=rng.uniform(-9, 3),
        backing_voice=backing_voice if sung and backing_voice is not voice else None,
        seed=int(rng.integers(2**31)),
      )
    )
  return tuple(parts)


def _draw_voice(
  event: Event, around: Sequence[str], level: Difficulty, rng: np.random.Generator
) -> tuple[str, str | None]:
  """Draws the source of the voice in an event, and its act."""
  if event.label in VOCAL_EVENTS:
    return "performer", event.label
  chance = rng.uniform()
  if event.label == "silence" or chance >= level.off_camera + level.playback:
    return "none", None
  if chance < level.playback:
    return "playback", str(rng.choice(VOCAL_EVENTS, p=(0.2, 0.8)))
  # Off-camera voices often continue a neighboring act: a guest answers speech, another singer takes over a song.
  fitting = [label for label in around if label in VOCAL_EVENTS]
  return "off camera", str(rng.choice(fitting if fitting and rng.uniform() < level.answers else VOCAL_EVENTS))


def _draw_mouth(source: str, level: Difficulty, rng: np.random.Generator) -> str:
  if source == "performer":
    return "voice"
  if source == "none":
    return _draw_idle(level, rng) if rng.uniform() < level.idle_mouth else "shut"
  chance = rng.uniform()
  if chance < level.other_words:
    return "along" if source == "playback" else "other words"
  if chance < level.other_words + (1 - level.other_words) * level.idle_under_voice:
    idle = _draw_idle(level, rng)
    return "grimacing" if idle == "mouthing" else idle
  return "shut"


def _draw_idle(level: Difficulty, rng: np.random.Generator) -> str:
  return str(rng.choice(IDLE_MOUTHS, p=level.idle_mouths))


def _center(part: Part, scene: Scene) -> int:
  return voices.comfortable_midi((part.voice or scene.performer).voice)


def _phrasing(part: Part, scene: Scene) -> tuple[Phrasing, float]:
  """Draws how a part is sung, and how much faster than its song's motif."""
  chance = difficulty.preset(scene.preset).phrasing
  # A generator of its own, so that the part's other draws do not depend on the phrasing.
  rng = np.random.default_rng([part.seed, 1])
  if rng.uniform() >= chance:
    return voices.LEGATO, 1.0
  return Phrasing.draw(rng), float(rng.choice(_PACES))


def _play(scene: Scene, rng: np.random.Generator) -> np.ndarray:
  """Renders the music of the whole scene. -> float32 [n]."""
  pieces = recorded.find_sounds(scene.sounds).music[scene.performer.split] if scene.sounds else ()
  if scene.has_recorded_music and pieces:
    return recorded.play(pieces[int(rng.integers(len(pieces)))], scene.duration_s, rng)
  return music.play(scene.song, scene.duration_s, rng)


def _perform(
  part: Part,
  who: Person,
  scene: Scene,
  tune: tuple[music.Note, ...],
  phrasing: Phrasing,
  duration_s: float,
  rng: np.random.Generator,
) -> Utterance:
  if (files := _recordings(who, scene)) is not None:
    if part.act == "singing":
      return recorded.sing(files, who.voice, tune, duration_s, rng, phrasing)
    return recorded.speak(files, who.voice, duration_s, rng)
  if part.act == "singing":
    return voices.sing(who.voice, tune, duration_s, rng, phrasing)
  return voices.speak(who.voice, duration_s, rng)


def _recordings(who: Person, scene: Scene) -> tuple[str, ...] | None:
  """Returns the recordings of a person's voice; None if it is synthesized."""
  if scene.sounds is None:
    return None
  # Golden-ratio steps spread the recorded voices evenly over the cast.
  number = who.number
  if (number * 0.618034) % 1 >= difficulty.preset(scene.preset).recorded_voices:
    return None
  return recorded.find_sounds(scene.sounds).speaker(who.split, number)


def _accompany(
  part: Part, song: Song, tune: tuple[music.Note, ...], phrasing: Phrasing, count: int, rng: np.random.Generator
) -> np.ndarray:
  """Renders backing vocals and noise at their levels relative to music of RMS 0.1. -> float32 [n]."""
  wave = np.zeros(count, np.float32)
  if part.backing_voice is not None:
    second = music.second_voice(song, tune, voices.comfortable_midi(part.backing_voice.voice))
    sung = voices.sing(part.backing_voice.voice, second, count / SAMPLE_RATE_HZ, rng, phrasing)
    wave += sung.waveform * _gain(-4.0)
  if part.noise is not None:
    wave += NOISES[part.noise](count, rng) * _gain(part.noise_db if part.music else 0.0)
  return wave


def _mouth(
  part: Part,
  scene: Scene,
  utterance: Utterance | None,
  tune: tuple[music.Note, ...],
  phrasing: Phrasing,
  count: int,
  rng: np.random.Generator,
) -> np.ndarray:
  """Renders the performer's mouth in one part: openness, width, smile and jaw. -> [T,4]."""
  face = np.zeros((count, 4), np.float32)
  t = np.arange(count) / FRAME_RATE_HZ
  # Movements start and end within the event.
  ease = np.clip(np.minimum(t, t[::-1]) / 0.25, 0, 1)
  if part.mouth in ("other words", "mouthing"):
    utterance = _perform(part, scene.performer, scene, tune, phrasing, part.event.duration_s, rng)
  if part.mouth in ("voice", "along", "other words", "mouthing"):
    assert utterance is not None
    opened = scene.articulation * utterance.openness
    if part.act == "singing" and scene.sung_movement:
      opened = np.clip(opened * scene.sung_articulation * _jaw_movement(scene.sung_movement, len(opened), rng), 0, 1)
    for column, track in enumerate((opened, utterance.width)):
      face[: len(track), column] = track[:count]
  elif part.mouth == "chewing":
    phase = 2 * np.pi * rng.uniform(1.0, 1.8) * t + rng.uniform(0, 6)
    face[:, 0] = rng.uniform(0.06, 0.16) * (1 + np.sin(phase)) * ease
    face[:, 3] = rng.uniform(0.3, 0.8) * np.sin(phase / 2) * ease
  elif part.mouth == "yawning":
    length_s = rng.uniform(3.0, 5.0)
    face[:, 0] = rng.uniform(0.7, 1.0) * np.clip(1.6 * np.sin(np.pi * (t % length_s) / length_s), 0, 1) ** 2 * ease
    face[:, 1] = -0.2 * face[:, 0]
  elif part.mouth == "smiling":
    face[:, 2] = rng.uniform(0.5, 1.0) * ease
    face[:, 0] = rng.uniform(0.0, 0.2) * ease
    face[:, 1] = 0.4 * face[:, 2]
  elif part.mouth == "grimacing":
    face[:] = _grimaces(count, rng) * ease[:, None]
  elif part.mouth == "laughing":
    # Bursts of four to six movements a second, each burst with a pause after it.
    bursts = np.clip(2 * np.sin(2 * np.pi * rng.uniform(0.3, 0.7) * t + rng.uniform(0, 6)), 0, 1)
    shaken = rng.uniform(0.02, 0.1) * bursts * np.sin(2 * np.pi * rng.uniform(4.0, 6.0) * t)
    face[:, 0] = (rng.uniform(0.12, 0.4) + shaken) * ease
    face[:, 2] = rng.uniform(0.6, 1.0) * ease
    face[:, 1] = 0.4 * face[:, 2]
  elif part.mouth == "licking":
    stroke = np.clip(np.sin(2 * np.pi * rng.uniform(0.5, 1.0) * t + rng.uniform(0, 6)), 0, 1) * ease
    face[:, 0] = rng.uniform(0.08, 0.25) * stroke
    face[:, 1] = rng.uniform(-0.6, 0.3) * stroke
  elif part.mouth == "breathing":
    face[:, 0] = rng.uniform(0.04, 0.15) * (1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * t)) * ease
  return face


def _jaw_movement(size: float, count: int, rng: np.random.Generator) -> np.ndarray:
  """Draws a factor of the opening around 1 that moves at one to six hertz, as a singer's jaw does. -> [T]."""
  t = np.arange(count)[:, None] / FRAME_RATE_HZ
  waves = np.sin(2 * np.pi * (rng.uniform(1.0, 6.0, 5) * t + rng.uniform(0, 1, 5)))
  return 1 + size * np.sqrt(2 / 5) * waves.sum(axis=1)


def _grimaces(count: int, rng: np.random.Generator) -> np.ndarray:
  """Draws mouth movements that take one pose after another and hold each for a while. -> [T,4]."""
  poses = 2 + int(count / FRAME_RATE_HZ / 0.4)
  at_rest = rng.uniform(size=(poses, 4)) < (0.4, 0.3, 0.5, 0.6)
  drawn = rng.uniform((0.05, -1.0, 0.2, -0.7), (0.8, 1.0, 1.0, 0.7), (poses, 4))
  targets = np.where(at_rest, 0.0, drawn)
  begins = np.cumsum(rng.uniform(0.4, 2.5, poses)) * FRAME_RATE_HZ
  moves = rng.uniform(0.12, 0.6, poses) * FRAME_RATE_HZ
  at = np.arange(count)[:, None]
  x = np.clip((at - begins) / moves, 0, 1)
  reached = x * x * (3 - 2 * x)  # [T,poses], the progress towards each pose
  return reached @ np.diff(targets, axis=0, prepend=0)


def _fade(count: int) -> np.ndarray:
  """Returns a gain that rises within 30 ms and falls within the last 30 ms. -> [n]."""
  ramp = 0.03 * SAMPLE_RATE_HZ
  return np.clip(np.minimum(np.arange(count) + 1, np.arange(count)[::-1]) / ramp, 0, 1).astype(np.float32)


def _eased(gain: np.ndarray) -> np.ndarray:
  """Smooths the steps of a gain over 30 ms. -> [n]."""
  width = round(0.03 * SAMPLE_RATE_HZ)
  sums = np.cumsum(np.pad(gain.astype(np.float64), (width // 2 + 1, width - width // 2), mode="edge"))
  return ((sums[width:] - sums[:-width])[: len(gain)] / width).astype(np.float32)


def _gain(db: float) -> np.float32:
  return np.float32(10 ** (db / 20))
