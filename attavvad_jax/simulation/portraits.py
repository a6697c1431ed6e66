"""The still parts of a rendered face: head, hair, glasses, shoulders and backdrop.

A height field (skull, nose, brows, cheeks, lips, chin) lit from one side gives the shading; hair, brows, beard and
glasses are painted on it. This is done once per face, at twice the resolution; `faces` animates the result.

Head coordinates are (u, v): u = ±1 at the widest part of the face, v = -1 at the crown and +1 at the chin.

Axes: H, W pixels of the frame; h, w pixels of the head's canvas. Colours are RGB.
"""

import dataclasses

import cv2
import numpy as np

SKINS = ((246, 212, 184), (236, 194, 160), (222, 176, 140), (202, 152, 114), (172, 122, 86), (132, 90, 62))
HAIRS = ((28, 22, 20), (52, 34, 24), (84, 54, 34), (122, 84, 50), (176, 134, 84), (148, 74, 40), (150, 148, 146))
IRISES = ((70, 44, 28), (94, 62, 36), (70, 96, 62), (70, 104, 138), (104, 116, 124))
HAIR_STYLES = {
  "female": ("side", "fringe", "long", "long", "bun"),
  "male": ("bald", "short", "short", "side", "fringe"),
}
BEARDS = {"female": ("none",), "male": ("none", "none", "stubble", "moustache", "goatee", "full")}
GLASSES = ("none", "none", "none", "round", "square")

# Head coordinates of the features, as in portrait drawing: eyes half-way down the head.
EYE_U, EYE_V = 0.42, 0.02
MOUTH_V = 0.60
BROW_V = -0.15

# The canvas holds the head with its hair, in units of half a face's width and half a head's height.
CANVAS_U, CANVAS_TOP, CANVAS_BOTTOM = 1.36, -1.36, 1.40
_SUPERSAMPLE = 2


@dataclasses.dataclass(frozen=True)
class Face:
  """What makes one person look like themselves. Colours are RGB 0..255; shape factors are around 1."""

  skin: tuple[int, int, int]
  hair: tuple[int, int, int]
  iris: tuple[int, int, int]
  lips: tuple[int, int, int]
  shirt: tuple[int, int, int]
  hair_style: str
  beard: str
  glasses: str
  aspect: float  # width of the face over its height
  jaw: float  # how much the face narrows towards the chin
  eye_size: float
  eye_gap: float
  brow_weight: float
  nose_width: float
  nose_length: float
  mouth_width: float
  lip_weight: float
  texture_seed: int

  @classmethod
  def draw(cls, rng: np.random.Generator, sex: str) -> "Face":
    """A random face of a sex, female or male: men may have beards, bald heads or short hair, women long hair."""
    tone = rng.uniform(0, len(SKINS) - 1)
    low, mix = int(tone), tone - int(tone)
    skin = (1 - mix) * np.array(SKINS[low]) + mix * np.array(SKINS[min(low + 1, len(SKINS) - 1)])
    lips = skin * (0.80, 0.56, 0.56) + rng.uniform(-14, 14, 3) * (1.0, 0.7, 0.7)
    return cls(
      skin=_rgb(skin + rng.uniform(-6, 6, 3)),
      hair=_rgb(np.array(HAIRS[rng.integers(len(HAIRS))]) * rng.uniform(0.8, 1.15)),
      iris=_rgb(np.array(IRISES[rng.integers(len(IRISES))]) * rng.uniform(0.85, 1.15)),
      lips=_rgb(lips),
      shirt=_rgb(rng.uniform(20, 215, 3)),
      hair_style=str(rng.choice(HAIR_STYLES[sex])),
      beard=str(rng.choice(BEARDS[sex])),
      glasses=str(rng.choice(GLASSES)),
      aspect=rng.uniform(0.69, 0.78),
      jaw=rng.uniform(0.10, 0.26),
      eye_size=rng.uniform(0.9, 1.12),
      eye_gap=rng.uniform(0.95, 1.05),
      brow_weight=rng.uniform(0.7, 1.3),
      nose_width=rng.uniform(0.85, 1.2),
      nose_length=rng.uniform(0.93, 1.08),
      mouth_width=rng.uniform(0.90, 1.12),
      lip_weight=rng.uniform(0.75, 1.3),
      texture_seed=int(rng.integers(2**31)),
    )


@dataclasses.dataclass(frozen=True)
class Camera:
  """Where the head is in the frame, and what is behind it.

  Attributes:
    head_height: crown to chin over the frame's height.
    centre_x: the head's place over the frame's width.
    centre_y: the same over its height.
    light: direction of the light, -1 from the left to 1 from the right.
    brightness: exposure, around 1.
    warmth: colour cast, negative for blue.
    backdrop_seed: what the backdrop looks like.
  """

  head_height: float
  centre_x: float
  centre_y: float
  light: float
  brightness: float
  warmth: float
  backdrop_seed: int

  @classmethod
  def draw(cls, rng: np.random.Generator) -> "Camera":
    """A random framing between a close-up and head and shoulders."""
    return cls(
      head_height=rng.uniform(0.40, 0.66),
      centre_x=rng.uniform(0.38, 0.62),
      centre_y=rng.uniform(0.42, 0.52),
      light=rng.uniform(-0.8, 0.8),
      brightness=rng.uniform(0.85, 1.12),
      warmth=rng.uniform(-0.06, 0.08),
      backdrop_seed=int(rng.integers(2**31)),
    )


def canvas_shape(half: float, half_w: float) -> tuple[int, int]:
  """Height and width of the head's canvas in pixels."""
  return round((CANVAS_BOTTOM - CANVAS_TOP) * half), 2 * round(CANVAS_U * half_w)


def paint_head(face: Face, light: float, half: float, half_w: float) -> np.ndarray:
  """The head without eyeballs and mouth, evenly exposed. -> float32 [h,w,4], colour times coverage, then coverage."""
  height, width = canvas_shape(half, half_w)
  ss = _SUPERSAMPLE
  v = ((np.arange(height * ss) + 0.5) / (ss * half) + CANVAS_TOP)[:, None].astype(np.float32)
  u = ((np.arange(width * ss) + 0.5 - width * ss / 2) / (ss * half_w))[None, :].astype(np.float32)
  edge = 1.0 / (ss * half_w)  # one fine pixel in u
  rng = np.random.default_rng(face.texture_seed)
  strands = _strands(rng, height * ss, width * ss)
  skin = np.array(face.skin, np.float32)
  hair = np.array(face.hair, np.float32)

  outline = _outline(v, face.jaw)
  image = np.zeros((height * ss, width * ss, 3), np.float32)
  cover = np.zeros((height * ss, width * ss), np.float32)

  def lay(colour: np.ndarray, alpha: np.ndarray) -> None:
    image[:] = image + (colour - image) * alpha[..., None]
    cover[:] = cover + (1 - cover) * alpha

  hair_tone = hair * (0.75 + 0.5 * strands[..., None]) * (1 + 0.25 * light * u)[..., None]
  if face.hair_style == "long":
    fall = np.where(v < 0, np.abs(v / 1.17) ** 2.3, np.abs(v / 1.34) ** 6) + np.abs(u / 1.22) ** 2.6
    lay(hair_tone * 0.72, _inside(fall - 1, 12 * edge))
  if face.hair_style == "bun":
    lay(hair_tone * 0.8, _inside(np.hypot(u / 0.42, (v + 1.10) / 0.24) - 1, 3 * edge))

  shade = _shade(face, u, v, light)
  for side in (-1, 1):
    ear = _inside(np.hypot((u - side * 1.0) / 0.13, (v - 0.16) / 0.22) - 1, 6 * edge)
    inner = np.exp(-(((u - side * 1.03) / 0.06) ** 2) - ((v - 0.16) / 0.12) ** 2)
    lay(skin * (0.86 + 0.15 * light * side) * (1 - 0.25 * inner)[..., None], ear)

  tone = skin * np.clip(shade, 0.25, 1.35)[..., None]
  tone = tone * (1 + 0.02 * (_blur_noise(rng, height * ss, width * ss, half * 0.05) - 0.5)[..., None])
  tone[:] = tone + _blush(u, v)[..., None] * (skin * (1.02, 0.80, 0.78) - tone) * 0.45
  lay(tone, _inside(np.abs(u) - outline, 1.5 * edge))
  inside = _inside(np.abs(u) - outline, 1.5 * edge)

  # Sockets, lid creases, nostrils and the folds beside the mouth are darker than their slope alone makes them.
  dark = np.zeros_like(cover)
  for side in (-1, 1):
    eu = side * EYE_U * face.eye_gap
    dark += 0.34 * _spot(u, v, eu, EYE_V - 0.015, 0.26, 0.10)
    dark += 0.30 * _spot(u, v, side * 0.22, EYE_V - 0.02, 0.10, 0.10)
    crease = EYE_V - 0.098 * face.eye_size + 0.12 * ((u - eu) / 0.24) ** 2 * 0.5
    dark += 0.40 * np.exp(-(((v - crease) / 0.012) ** 2)) * _spot(u, v, eu, EYE_V, 0.17, 0.2)
    nv = 0.355 * face.nose_length
    dark += 0.95 * _spot(u, v, side * 0.105 * face.nose_width, nv, 0.055, 0.020)
    fold = side * (0.26 * face.nose_width + 0.42 * (v - nv))
    dark += 0.16 * np.exp(-(((u - fold) / 0.035) ** 2)) * _inside(np.abs(v - 0.45) - 0.12, 0.08)
  dark += 0.38 * _spot(u, v, 0, 0.395 * face.nose_length, 0.16 * face.nose_width, 0.022)
  lay(skin * (0.30, 0.20, 0.18), np.clip(dark, 0, 0.85) * inside)

  lay(hair * (0.7 + 0.3 * strands[..., None]) * 0.85, _beard(face.beard, u, v, rng, strands) * inside)
  for side in (-1, 1):
    s = side * u
    arch = BROW_V + 0.16 * (s - 0.48) ** 2 - 0.02
    thick = 0.036 * face.brow_weight * np.clip(1.25 - 0.55 * np.abs(s - 0.30) / 0.3, 0.3, 1.2)
    brow = _inside(np.abs(v - arch) - thick, 0.018) * _inside(np.abs(s - 0.44) - 0.27, 0.06)
    lay(np.minimum(hair * 0.62, skin * 0.45) * (0.8 + 0.4 * strands[..., None]), brow * (0.75 + 0.25 * strands))

  cap = _hair_cap(face.hair_style, u, v, outline, edge, strands)
  shadow = cv2.GaussianBlur(cap, (0, 0), 0.045 * half * ss)
  image *= 1 - 0.30 * (np.roll(shadow, int(0.05 * half * ss), 0) * (1 - cap) * inside)[..., None]
  lay(hair_tone * (1.0 + 0.5 * np.exp(-(((v + 0.86 + 0.1 * u**2) / 0.10) ** 2)))[..., None], cap)

  stacked = np.dstack([np.clip(image, 0, 255) * cover[..., None], cover])
  return cv2.resize(stacked, (width, height), interpolation=cv2.INTER_AREA)


def paint_glasses(face: Face, half: float, half_w: float) -> np.ndarray | None:
  """Coverage of the frame of the glasses, drawn over the eyes. -> float32 [h,w], None without glasses."""
  if face.glasses == "none":
    return None
  height, width = canvas_shape(half, half_w)
  v = ((np.arange(height) + 0.5) / half + CANVAS_TOP)[:, None].astype(np.float32)
  u = ((np.arange(width) + 0.5 - width / 2) / half_w)[None, :].astype(np.float32)
  power = 2.0 if face.glasses == "round" else 4.5
  cover = np.zeros((height, width), np.float32)
  for side in (-1, 1):
    du = np.abs(u - side * EYE_U * face.eye_gap) / 0.31
    dv = np.abs(v - EYE_V - 0.02) / 0.155
    radius = (du**power + dv**power) ** (1 / power)
    cover = np.maximum(cover, np.clip(1.6 - np.abs(radius - 1) * 0.27 * half_w / 1.4, 0, 1))
  bridge = np.clip(1.4 - np.abs(v - EYE_V + 0.03 - 0.25 * u**2) * half / 1.4, 0, 1) * (np.abs(u) < 0.13)
  temple = np.clip(1.4 - np.abs(v - EYE_V + 0.02) * half / 1.4, 0, 1) * (np.abs(u) > 0.74) * (np.abs(u) < 1.0)
  return np.maximum(cover, np.maximum(bridge, temple)).astype(np.float32)


def paint_backdrop(face: Face, camera: Camera, width_px: int, height_px: int, half: float, half_w: float) -> np.ndarray:
  """A room or stage with the performer's neck and shoulders, evenly exposed. -> float32 [H,W,3]."""
  rng = np.random.default_rng(camera.backdrop_seed)
  y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
  image = _scenery(rng, x / width_px, y / height_px, width_px, height_px)

  cx, cy = camera.centre_x * width_px, camera.centre_y * height_px
  u, v = (x - cx) / half_w, (y - cy) / half
  edge = 1.5 / half_w
  shirt = np.array(face.shirt, np.float32)
  # Shoulders slope from the neck; the neck narrows upwards and lies in the chin's shadow.
  slope = 1.42 + 0.24 * np.clip(np.abs(u) - 0.5, 0, None) ** 1.2 + 6 * np.clip(np.abs(u) - 2.05, 0, None) ** 2
  folds = _blur_noise(rng, height_px, width_px, 0.4 * half)
  body = shirt * (0.82 + 0.18 * folds + 0.18 * camera.light * np.clip(u / 2, -1, 1))[..., None]
  image += (body - image) * _inside(slope - v, edge)[..., None]
  neck_width = 0.56 + 0.10 * np.clip(v - 1.0, 0, 1) + 0.35 * np.clip(v - 1.42, 0, 1)
  collar = 1.62 + 0.06 * np.cos(3 * u) - 0.30 * np.abs(u)
  neck = _inside(np.abs(u) - neck_width, 2 * edge) * _inside(v - collar, 2 * edge) * _inside(0.3 - v, edge)
  skin = np.array(face.skin, np.float32)
  light = 0.80 + 0.20 * camera.light * u - 0.15 * u**2 - 0.40 * np.exp(-(((v - 0.95) / 0.28) ** 2))
  image += (skin * np.clip(light, 0.2, 1.1)[..., None] - image) * neck[..., None]
  return image


def _scenery(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
  """A blurred wall, curtain, shelf or stage. x, y [H,W] in 0..1 -> float32 [H,W,3]."""
  top, bottom = rng.uniform(15, 200, (2, 3)) * rng.uniform(0.5, 1.0)
  image = (top + (bottom - top) * y[..., None]).astype(np.float32)
  kind = rng.integers(4)
  if kind == 0:  # curtain
    folds = np.sin(
      2 * np.pi * (rng.uniform(6, 14) * x + 0.6 * np.sin(2 * np.pi * x * rng.uniform(1, 3)) + rng.uniform())
    )
    image *= (1 + 0.25 * folds)[..., None]
  elif kind == 1:  # shelves and frames on a wall
    for _ in range(rng.integers(6, 16)):
      a, b = rng.uniform(0, 1, 2), rng.uniform(0.04, 0.25, 2)
      box = (np.abs(x - a[0]) < b[0]) & (np.abs(y - a[1]) < b[1] * 0.7)
      image[box] = 0.3 * image[box] + 0.7 * rng.uniform(10, 230, 3).astype(np.float32)
  elif kind == 2:  # stage lights
    image *= 0.35
    for _ in range(rng.integers(5, 14)):
      a, r = rng.uniform(0, 1, 2), rng.uniform(0.03, 0.14)
      glow = np.exp(-(((x - a[0]) * 1.33 / r) ** 2) - ((y - a[1]) / r) ** 2)
      image += glow[..., None] * rng.uniform(40, 255, 3).astype(np.float32) * rng.uniform(0.4, 1.0)
  else:  # a window beside the performer
    side = rng.uniform(0.0, 0.25) if rng.uniform() < 0.5 else rng.uniform(0.75, 1.0)
    window = np.exp(-((np.abs(x - side) / 0.18) ** 6)) * np.exp(-((np.abs(y - 0.4) / 0.35) ** 6))
    image += window[..., None] * (rng.uniform(150, 240, 3).astype(np.float32) - image) * 0.8
  blur = rng.uniform(0.004, 0.03) * width_px
  image = cv2.GaussianBlur(np.clip(image, 0, 255), (0, 0), blur)
  grain = _blur_noise(rng, height_px, width_px, 0.02 * width_px)
  return image * (0.93 + 0.14 * grain[..., None])


def _outline(v: np.ndarray, jaw: float) -> np.ndarray:
  """Half the face's width at each height: an egg that narrows to the chin."""
  skull = np.clip(1 - np.abs(np.minimum(v, 0)) ** 2.4, 0, 1) ** (1 / 2.4)
  chin = np.clip(1 - np.abs(np.maximum(v, 0)) ** 3.2, 0, 1) ** (1 / 2.0) * (1 - jaw * np.clip(v, 0, 1) ** 1.6)
  return np.where(v < 0, skull, chin)


def _inside(distance: np.ndarray, edge: float) -> np.ndarray:
  """1 where `distance` is negative, 0 where positive, a ramp as wide as `edge` between."""
  return np.clip(0.5 - distance / edge, 0, 1).astype(np.float32)


def _spot(u: np.ndarray, v: np.ndarray, cu: float, cv: float, su: float, sv: float) -> np.ndarray:
  return np.exp(-(((u - cu) / su) ** 2) - ((v - cv) / sv) ** 2)


def _shade(face: Face, u: np.ndarray, v: np.ndarray, light: float) -> np.ndarray:
  """Brightness of the skin: a height field lit from above and one side. -> [h,w], about 1 where it faces the light."""
  wide, long = face.nose_width, face.nose_length
  z = 0.95 * np.sqrt(np.clip(1.12 - u**2 - 0.75 * v**2, 0.02, None))
  ridge = np.clip((v + 0.14) / (0.47 * long), 0, 1) * _inside(v - 0.37 * long, 0.05)
  z = z + (0.03 + 0.19 * ridge) * ridge**0.3 * np.exp(-((u / (0.125 * wide)) ** 2))
  z = z + 0.07 * _spot(u, v, 0, 0.31 * long, 0.13 * wide, 0.08)
  z = z + 0.05 * _spot(u, v, 0, -0.20, 0.75, 0.12)
  z = z + 0.05 * _spot(u, v, 0, MOUTH_V, 0.34, 0.17)
  z = z - 0.03 * _spot(u, v, 0, 0.77, 0.30, 0.05)
  z = z + 0.06 * _spot(u, v, 0, 0.90, 0.26, 0.10)
  for side in (-1, 1):
    z = z - 0.10 * _spot(u, v, side * EYE_U * face.eye_gap, EYE_V, 0.22, 0.12)
    z = z + 0.045 * _spot(u, v, side * EYE_U * face.eye_gap, EYE_V, 0.14, 0.07)
    z = z + 0.05 * _spot(u, v, side * 0.17 * wide, 0.335 * long, 0.07, 0.05)
    z = z + 0.06 * _spot(u, v, side * 0.60, 0.24, 0.22, 0.16)
  dv, du = np.gradient(z, float(v[1, 0] - v[0, 0]), float(u[0, 1] - u[0, 0]))
  dv = dv * face.aspect
  norm = np.sqrt(1 + du**2 + dv**2)
  direction = np.array([0.55 * light, -0.42, 1.0])
  direction /= np.linalg.norm(direction)
  facing = (-du * direction[0] - dv * direction[1] + direction[2]) / norm
  glint = np.clip(facing, 0, 1) ** 24
  return 0.42 + 0.62 * np.clip(facing, 0, 1) + 0.10 * glint


def _blush(u: np.ndarray, v: np.ndarray) -> np.ndarray:
  cheeks = _spot(u, v, -0.58, 0.30, 0.26, 0.18) + _spot(u, v, 0.58, 0.30, 0.26, 0.18)
  return 0.6 * cheeks + 0.5 * _spot(u, v, 0, 0.30, 0.14, 0.10)


def _beard(kind: str, u: np.ndarray, v: np.ndarray, rng: np.random.Generator, strands: np.ndarray) -> np.ndarray:
  """Coverage of the beard; the lips are drawn over it. -> [h,w]."""
  moustache = _inside(np.abs(v - 0.475 - 0.12 * u**2) - 0.045, 0.03) * _inside(np.abs(u) - 0.38, 0.12)
  chin = _inside(np.hypot(u / 0.30, (v - 0.92) / 0.22) - 1, 0.25)
  jaw = _inside(0.30 + 0.35 * np.clip(1 - np.abs(u) / 0.75, 0, 1) - v, 0.14)
  dense = 0.70 + 0.30 * strands
  if kind == "stubble":
    return 0.28 * np.maximum(jaw, moustache) * (rng.random(strands.shape, np.float32) * 0.8 + 0.4)
  if kind == "moustache":
    return 0.9 * moustache * dense
  if kind == "goatee":
    return 0.85 * np.maximum(moustache, chin) * dense
  if kind == "full":
    return 0.88 * np.maximum(moustache, jaw) * dense
  return np.zeros_like(strands)


def _hair_cap(
  style: str, u: np.ndarray, v: np.ndarray, outline: np.ndarray, edge: float, strands: np.ndarray
) -> np.ndarray:
  """Coverage of the hair in front of the skull. -> [h,w]."""
  if style == "bald":
    return np.zeros_like(strands)
  grow = {"short": 1.05, "side": 1.10, "fringe": 1.10, "long": 1.14, "bun": 1.05}[style]
  skull = np.sqrt(np.clip(1 - (np.minimum(v, 0) / (1 + (grow - 1) * 1.5)) ** 2, 0, 1)) * grow
  line = {
    "short": -0.60 + 0.50 * np.clip(np.abs(u) - 0.62, 0, 1) ** 1.2 * 3,
    "side": -0.56 + 0.22 * u + 1.6 * np.clip(np.abs(u) - 0.74, 0, 1) * 1.4,
    "fringe": -0.36 + 0.10 * u**2 + 2.2 * np.clip(np.abs(u) - 0.80, 0, 1),
    "long": -0.66 + 0.55 * u**2 + 5.0 * np.clip(np.abs(u) - 0.84, 0, 1),
    "bun": -0.66 + 0.42 * u**2 + 1.5 * np.clip(np.abs(u) - 0.84, 0, 1),
  }[style]
  bottom = {"short": 0.02, "side": 0.05, "fringe": 0.18, "long": 1.25, "bun": -0.02}[style]
  line = line + 0.05 * (strands - 0.5)
  return _inside(np.abs(u) - skull, 4 * edge) * _inside(v - line, 0.035) * _inside(v - bottom, 0.06)


def _strands(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Noise drawn out downwards, 0..1. -> float32 [h,w]."""
  noise = rng.random((height, width), np.float32)
  return _stretch(cv2.GaussianBlur(noise, (0, 0), sigmaX=1.2, sigmaY=0.06 * height))


def _blur_noise(rng: np.random.Generator, height: int, width: int, sigma: float) -> np.ndarray:
  """Smooth noise, 0..1. -> float32 [h,w]."""
  step = max(1, int(sigma))
  small = rng.random((height // step + 2, width // step + 2), np.float32)
  return _stretch(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _stretch(noise: np.ndarray) -> np.ndarray:
  return np.clip(0.5 + (noise - noise.mean()) / (4 * noise.std() + 1e-6), 0, 1)


def _rgb(colour: np.ndarray) -> tuple[int, int, int]:
  r, g, b = np.clip(np.round(colour), 0, 255).astype(int).tolist()
  return r, g, b
