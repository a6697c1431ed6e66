"""One simulated performance: who is seen, who is heard when, and the sound and picture that follow.

The performer's mouth moves with the performer's own voice and is shut otherwise. In about six tenths of the time that
is labelled others, somebody off camera speaks or sings with a voice from the same population, at the same level over
the same backing: the sound alone does not tell whose voice it is.

Axes: n samples at 16 kHz, T mouth frames of 5 ms, H, W pixels.
"""

import dataclasses
import functools

import numpy as np

from attavvad_jax.events import Event, Timeline
from attavvad_jax.simulation import music, noise, voices
from attavvad_jax.simulation.faces import FaceState, render
from attavvad_jax.simulation.music import Song
from attavvad_jax.simulation.noise import Room
from attavvad_jax.simulation.portraits import Camera, Face
from attavvad_jax.simulation.vocoder import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from attavvad_jax.simulation.voices import Voice

SPLITS = ("train", "validation", "test")

# Semi-Markov model. Fitted to the audio-visual labels of MAVC100, events that neither start nor end a clip: the
# logarithms of seconds have mean and deviation (1.32, 1.03) for singing, (0.18, 0.95) for speech, (0.22, 0.90) for
# others. Half of its speech is shorter than four blocks: speech and others are twice as long here, the spread is
# smaller, and silence, which MAVC100 has almost none of, is put in.
_LOG_DURATION = {"silence": (0.6, 0.35), "speech": (0.87, 0.6), "singing": (1.32, 0.6), "others": (0.92, 0.6)}
_MIN_DURATION_S, _MAX_DURATION_S = 1.0, 10.0
# What follows what. MAVC100 has: others to singing 301 times, to speech 281; singing to others 278, to speech 8; speech
# to others 290. A quarter of each goes to silence here, and voices follow each other more often.
_NEXT = {
  "silence": {"speech": 0.40, "singing": 0.30, "others": 0.30},
  "speech": {"silence": 0.25, "singing": 0.10, "others": 0.65},
  "singing": {"silence": 0.25, "speech": 0.10, "others": 0.65},
  "others": {"silence": 0.22, "speech": 0.42, "singing": 0.36},
}
OTHER_VOICE_SHARE = 0.6  # part of the events labelled others in which somebody off camera speaks or sings
_BLINK_S = 0.2


@dataclasses.dataclass(frozen=True)
class Part:
  """One event and what is heard in it.

  Attributes:
    event: its time and label.
    voice: who is heard, None for nobody.
    act: speech or singing, None without a voice.
    music_db: level of the music over that of a voice, None for no music.
    noise: crowd, applause or None.
    noise_db: its level over that of a voice.
    seed: of words, melody and noise.
  """

  event: Event
  voice: Voice | None
  act: str | None
  music_db: float | None
  noise: str | None
  noise_db: float
  seed: int


@dataclasses.dataclass(frozen=True)
class Scene:
  """Everything about one performance; sound and picture follow from it."""

  duration_s: float
  performer: Voice
  face: Face
  camera: Camera
  room: Room
  song: Song
  parts: tuple[Part, ...]
  seed: int

  @property
  def timeline(self) -> Timeline:
    """Events of the performer."""
    return Timeline((part.event for part in self.parts), self.duration_s)


@dataclasses.dataclass(frozen=True)
class Sound:
  """The stems of a scene, dry voices first, and the performer's mouth.

  Attributes:
    performer: the performer's voice without reverberation. float32 [n].
    other_voices: voices off camera without reverberation. float32 [n].
    mixture: what the microphone records. float32 [n] within ±1.
    openness: the performer's mouth, every 5 ms. float32 [T].
    width: likewise, -1 rounded to 1 spread. float32 [T].
  """

  performer: np.ndarray
  other_voices: np.ndarray
  mixture: np.ndarray
  openness: np.ndarray
  width: np.ndarray


def draw_scene(seed: int, index: int, split: str = "train", duration_s: float = 30.0) -> Scene:
  """The scene of this number. Splits draw from separate seeds, so that they share no person, tune or place.

  Raises:
    ValueError: the split is not one of `SPLITS`, the duration is not positive, or seed or index are negative.
  """
  if split not in SPLITS:
    raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
  if not duration_s > 0:
    raise ValueError(f"a scene of {duration_s} s cannot be made; expected a positive number of seconds")
  if seed < 0 or index < 0:
    raise ValueError(f"seed is {seed} and index {index}; expected 0 or more")
  rng = np.random.default_rng([seed, SPLITS.index(split), index])
  sex = str(rng.choice(voices.SEXES))
  performer = Voice.draw(rng, sex)
  return Scene(
    duration_s=duration_s,
    performer=performer,
    face=Face.draw(rng, sex),
    camera=Camera.draw(rng),
    room=Room.draw(rng),
    song=Song.draw(rng),
    parts=tuple(_draw_part(event, performer, rng) for event in _draw_events(duration_s, rng)),
    seed=int(rng.integers(2**31)),
  )


def render_audio(scene: Scene) -> np.ndarray:
  """What the microphone records. -> float32 [n] at 16 kHz."""
  return sound(scene).mixture


def render_frame(scene: Scene, time_s: float, width_px: int = 480, height_px: int = 360) -> np.ndarray:
  """What the camera sees at one time. -> uint8 [H,W,3] RGB."""
  return render(scene.face, scene.camera, face_state(scene, time_s), width_px, height_px)


@functools.lru_cache(maxsize=2)
def sound(scene: Scene) -> Sound:
  """All stems of a scene and the mouth that goes with them. The last two are kept."""
  total = round(scene.duration_s * SAMPLE_RATE_HZ)
  stems = {name: np.zeros(total, np.float32) for name in ("performer", "other", "backing")}
  frames = -(-total // (SAMPLE_RATE_HZ // FRAME_RATE_HZ)) + 1
  openness, width = np.zeros(frames, np.float32), np.zeros(frames, np.float32)
  rng = np.random.default_rng(scene.seed)
  song = music.play(scene.song, scene.duration_s, rng)
  for part in scene.parts:
    first = round(part.event.onset_s * SAMPLE_RATE_HZ)
    last = min(round(part.event.offset_s * SAMPLE_RATE_HZ), total)
    rng_part = np.random.default_rng(part.seed)
    backing = stems["backing"][first:last]
    if part.music_db is not None:
      backing += song[first:last] * _fade(last - first) * _gain(part.music_db)
    if part.noise is not None:
      make = {"crowd": noise.crowd, "applause": noise.applause}[part.noise]
      backing += make(last - first, rng_part) * _fade(last - first) * _gain(part.noise_db)
    if part.voice is None:
      continue
    utterance = _perform(part, scene.song, (last - first) / SAMPLE_RATE_HZ, rng_part)
    seen = part.event.label == part.act
    stems["performer" if seen else "other"][first:last] += utterance.waveform
    if seen:
      start = round(part.event.onset_s * FRAME_RATE_HZ)
      count = min(len(utterance.openness), frames - start)
      openness[start : start + count] = utterance.openness[:count]
      width[start : start + count] = utterance.width[:count]
  mixture = noise.reverberate(stems["performer"] + stems["other"] + stems["backing"], scene.room, rng)
  mixture += noise.room_tone(scene.room, total, rng)
  mixture *= np.float32(min(1.0, 0.95 / np.abs(mixture).max()))
  return Sound(stems["performer"], stems["other"], mixture, openness, width)


def face_state(scene: Scene, time_s: float) -> FaceState:
  """What the performer's face does at one time: the mouth of the sound, blinks, glances and a swaying head."""
  made = sound(scene)
  at = time_s * FRAME_RATE_HZ
  grid = np.arange(len(made.openness))
  habit = _habits(scene)
  phases = 2 * np.pi * (habit["rates_hz"] * time_s + habit["phases"])
  sway = (np.sin(phases) * habit["sizes"]).sum(axis=1)
  blink = np.max(np.clip(1.4 - np.abs(time_s - habit["blinks_s"]) / (_BLINK_S / 2), 0, 1), initial=0.0)
  glance = int(np.searchsorted(habit["glances_s"], time_s, side="right")) - 1
  return FaceState(
    openness=float(np.interp(at, grid, made.openness)),
    width=float(np.clip(np.interp(at, grid, made.width) + 0.15 * sway[5], -1, 1)),
    blink=float(blink),
    gaze_x=float(habit["gaze"][glance, 0]),
    gaze_y=float(habit["gaze"][glance, 1]),
    yaw_deg=float(9 * sway[0]),
    pitch_deg=float(5 * sway[1]),
    roll_deg=float(4 * sway[2]),
    shift_x=float(0.05 * sway[3]),
    shift_y=float(0.025 * sway[4]),
  )


@functools.lru_cache(maxsize=4)
def _habits(scene: Scene) -> dict[str, np.ndarray]:
  """How the performer moves, whatever is heard: drawn apart from the sound, so that it tells nothing about it."""
  rng = np.random.default_rng([scene.seed, 1])
  count = int(scene.duration_s) + 2
  sizes = rng.uniform(0.3, 1.0, (6, 3))
  return {
    "rates_hz": rng.uniform(0.05, 0.5, (6, 3)),
    "phases": rng.uniform(0, 1, (6, 3)),
    "sizes": sizes / sizes.sum(axis=1, keepdims=True) * rng.uniform(0.6, 1.6, (6, 1)),
    "blinks_s": np.cumsum(rng.uniform(1.5, 6.0, count)),
    "glances_s": np.concatenate([[-1.0], np.cumsum(rng.uniform(0.6, 4.0, count))]),
    "gaze": rng.normal(0, 1, (count + 1, 2)) * (0.35, 0.2),
  }


def _draw_events(duration_s: float, rng: np.random.Generator) -> list[Event]:
  events: list[Event] = []
  label = str(rng.choice(list(_NEXT)))
  start_s = 0.0
  while True:
    mean, deviation = _LOG_DURATION[label]
    length_s = float(np.clip(np.exp(rng.normal(mean, deviation)), _MIN_DURATION_S, _MAX_DURATION_S))
    # Whole milliseconds, so that label files lose nothing; no event is left too short at the end.
    end_s = round(start_s + length_s, 3)
    if end_s > duration_s - _MIN_DURATION_S:
      return [*events, Event(start_s, duration_s, label)]
    events.append(Event(start_s, end_s, label))
    start_s = end_s
    label = str(rng.choice(list(_NEXT[label]), p=list(_NEXT[label].values())))


def _draw_part(event: Event, performer: Voice, rng: np.random.Generator) -> Part:
  """What is heard in an event. A voice meets the same backing whether it is the performer's or not."""
  voice, act = None, None
  if event.label in ("speech", "singing"):
    voice, act = performer, event.label
  elif event.label == "others" and rng.uniform() < OTHER_VOICE_SHARE:
    voice, act = Voice.draw(rng, str(rng.choice(voices.SEXES))), str(rng.choice(("speech", "singing")))
  music_chance = {"speech": 0.5, "singing": 0.85, None: 0.7}[act]
  has_music = event.label != "silence" and rng.uniform() < music_chance
  has_noise = event.label != "silence" and (rng.uniform() < 0.25 or (voice is None and not has_music))
  # Without a voice the backing comes to the front, as loud as a voice would be.
  low_db, high_db = (-16.0, 0.0) if voice is not None else (-8.0, 4.0)
  return Part(
    event=event,
    voice=voice,
    act=act,
    music_db=rng.uniform(low_db, high_db) if has_music else None,
    noise=str(rng.choice(("crowd", "applause"))) if has_noise else None,
    noise_db=rng.uniform(low_db - 4, high_db - 4),
    seed=int(rng.integers(2**31)),
  )


def _perform(part: Part, song: Song, duration_s: float, rng: np.random.Generator) -> voices.Utterance:
  assert part.voice is not None
  if part.act == "speech":
    return voices.speak(part.voice, duration_s, rng)
  tune = music.melody(song, part.event.onset_s, duration_s, voices.comfortable_midi(part.voice), rng)
  return voices.sing(part.voice, tune, duration_s, rng)


def _fade(count: int) -> np.ndarray:
  """A gain that rises in 30 ms and falls in the last 30. -> [n]."""
  ramp = 0.03 * SAMPLE_RATE_HZ
  return np.clip(np.minimum(np.arange(count) + 1, np.arange(count)[::-1]) / ramp, 0, 1).astype(np.float32)


def _gain(db: float) -> np.float32:
  return np.float32(10 ** (db / 20))
