"""The static parts of a simulated frame: head, hair, headwear, body, backdrop, and objects in front of the face.

A height field (skull, nose, brows, cheeks, lips, chin) lit from one side gives the shading; hair, brows, beard and
glasses are painted on it. This happens once per face, at twice the resolution; `faces` moves the result.

Head coordinates are (u, v): u = ±1 at the widest part of the face, v = -1 at the crown and +1 at the chin.

Axes: H, W pixels of the frame; h, w pixels of the head's canvas. Colors are RGB.
"""

import dataclasses

import cv2
import numpy as np

SKINS = ((246, 212, 184), (236, 194, 160), (222, 176, 140), (202, 152, 114), (172, 122, 86), (132, 90, 62))
HAIRS = ((28, 22, 20), (52, 34, 24), (84, 54, 34), (122, 84, 50), (176, 134, 84), (148, 74, 40), (150, 148, 146))
IRISES = ((70, 44, 28), (94, 62, 36), (70, 96, 62), (70, 104, 138), (104, 116, 124))
HAIR_STYLES = {
  "female": ("side", "fringe", "long", "long", "bun", "curly"),
  "male": ("bald", "short", "short", "side", "fringe", "curly", "long"),
}
BEARDS = {"female": ("none",), "male": ("none", "none", "stubble", "moustache", "goatee", "full")}
GLASSES = ("none", "none", "none", "round", "square")
HEADWEAR = ("none", "none", "none", "none", "none", "beanie", "cap", "headphones", "headphones")
SHIRTS = ("plain", "plain", "stripes", "jacket")
BACKDROPS = ("curtain", "pictures", "stage", "window", "bookshelf", "room", "bricks", "foam")

# Head coordinates of the features, as in portrait drawing: the eyes are half-way down the head.
EYE_U, EYE_V = 0.42, 0.02
MOUTH_V = 0.60
BROW_V = -0.15

# Extent of the canvas of head and hair, in units of half a face's width and half a head's height.
CANVAS_U, CANVAS_TOP, CANVAS_BOTTOM = 1.36, -1.36, 1.40
BODY_U, BODY_TOP, BODY_BOTTOM = 2.8, 0.2, 6.0
_SUPERSAMPLE = 2


@dataclasses.dataclass(frozen=True)
class Face:
  """The looks of one person. Colors are RGB 0..255; shape factors are around 1.

  `age` is 0 for smooth skin to 1 for lines and gray hair.
  """

  skin: tuple[int, int, int]
  hair: tuple[int, int, int]
  iris: tuple[int, int, int]
  lips: tuple[int, int, int]
  shirt: tuple[int, int, int]
  hair_style: str
  beard: str
  glasses: str
  headwear: str
  earrings: bool
  shirt_style: str
  age: float
  aspect: float  # ratio of the face's width to its height
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
    """Draws a random face of a sex, female or male: men may have beards, bald heads or short hair, women long hair."""
    tone = rng.uniform(0, len(SKINS) - 1)
    low, mix = int(tone), tone - int(tone)
    skin = (1 - mix) * np.array(SKINS[low]) + mix * np.array(SKINS[min(low + 1, len(SKINS) - 1)])
    age = rng.uniform(0, 1)
    gray = max(0.0, 2 * age - 1.1) * rng.uniform(0.3, 1.0)
    hair = (1 - gray) * np.array(HAIRS[rng.integers(len(HAIRS))]) + gray * np.array(HAIRS[-1])
    lips = skin * (0.80, 0.56, 0.56) + rng.uniform(-14, 14, 3) * (1.0, 0.7, 0.7)
    return cls(
      skin=_rgb(skin + rng.uniform(-6, 6, 3)),
      hair=_rgb(hair * rng.uniform(0.8, 1.15)),
      iris=_rgb(np.array(IRISES[rng.integers(len(IRISES))]) * rng.uniform(0.85, 1.15)),
      lips=_rgb(lips),
      shirt=_rgb(rng.uniform(20, 215, 3)),
      hair_style=str(rng.choice(HAIR_STYLES[sex])),
      beard=str(rng.choice(BEARDS[sex])),
      glasses=str(rng.choice(GLASSES)),
      headwear=str(rng.choice(HEADWEAR)),
      earrings=bool(rng.uniform() < (0.4 if sex == "female" else 0.08)),
      shirt_style=str(rng.choice(SHIRTS)),
      age=age,
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

  @property
  def identity(self) -> tuple:
    """The face in coarse steps; faces that look alike are equal."""
    colors = (c // 48 for color in (self.skin, self.hair) for c in color)
    shape = (self.aspect / 0.03, self.jaw / 0.06, self.eye_size / 0.08, self.nose_width / 0.12, self.age / 0.34)
    return (self.hair_style, self.beard, self.glasses, self.headwear, *colors, *(int(value) for value in shape))


@dataclasses.dataclass(frozen=True)
class Camera:
  """Place of the head in the frame, backdrop, light and exposure.

  Attributes:
    head_height: crown to chin, as a fraction of the frame's height.
    center_x: center of the head, as a fraction of the frame's width.
    center_y: center of the head, as a fraction of the frame's height.
    light: direction of the light, -1 from the left to 1 from the right.
    brightness: exposure, around 1.
    contrast: around 1; higher values make lights glare and shadows black.
    tint: color cast of the light, RGB factors around 1.
    noise: deviation of the sensor's noise, in levels of 255.
    backdrop: one of `BACKDROPS`.
    backdrop_seed: seed of the look of the backdrop.
  """

  head_height: float
  center_x: float
  center_y: float
  light: float
  brightness: float
  contrast: float
  tint: tuple[float, float, float]
  noise: float
  backdrop: str
  backdrop_seed: int

  @classmethod
  def draw(cls, rng: np.random.Generator, bad_light: float = 0.0) -> "Camera":
    """Draws a framing between a close-up and the upper body; `bad_light` is 0 for good light to 1 for the worst.

    Bad light is dark or glaring, colored, and grainy, each to a random degree.
    """
    dark, hard, colored, grain = (bad_light * rng.uniform(0, 1, 4)).tolist()
    warmth, hue = rng.uniform(-0.06, 0.08), rng.uniform(0, 2 * np.pi)
    color = 1 + 0.45 * colored * np.cos(hue + np.array([0.0, 2.1, 4.2]))
    red, green, blue = (color * (1 + warmth, 1.0, 1 - warmth)).tolist()
    return cls(
      head_height=rng.uniform(0.34, 0.68),
      center_x=rng.uniform(0.30, 0.70),
      center_y=rng.uniform(0.42, 0.54),
      light=rng.uniform(-0.8, 0.8) * (1 + 0.5 * hard),
      brightness=rng.uniform(0.85, 1.12) * (1 - 0.55 * dark) * (1 + 0.25 * hard),
      contrast=1 + 0.6 * hard,
      tint=(red, green, blue),
      noise=14 * grain,
      backdrop=str(rng.choice(BACKDROPS)),
      backdrop_seed=int(rng.integers(2**31)),
    )

  @property
  def identity(self) -> tuple:
    """The place, independent of framing and light."""
    return (self.backdrop, self.backdrop_seed)


def canvas_shape(half: float, half_w: float) -> tuple[int, int]:
  """Returns height and width of the head's canvas in pixels."""
  return round((CANVAS_BOTTOM - CANVAS_TOP) * half), 2 * round(CANVAS_U * half_w)


def paint_head(face: Face, light: float, half: float, half_w: float) -> np.ndarray:
  """Paints the head without eyeballs and mouth, before exposure. -> float32 [h,w,4], color times coverage; coverage."""
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

  def lay(color: np.ndarray, alpha: np.ndarray) -> None:
    image[:] = image + (color - image) * alpha[..., None]
    cover[:] = cover + (1 - cover) * alpha

  hair_tone = hair * (0.75 + 0.5 * strands[..., None]) * (1 + 0.25 * light * u)[..., None]
  if face.hair_style == "long":
    fall = np.where(v < 0, np.abs(v / 1.17) ** 2.3, np.abs(v / 1.34) ** 6) + np.abs(u / 1.22) ** 2.6
    neck = _inside(np.abs(u) - 0.60, 0.1) * _inside(0.8 - v, 0.1)
    lay(hair_tone * 0.72, _inside(fall - 1, 12 * edge) * (1 - neck))
  curls = _blur_noise(rng, height * ss, width * ss, 0.10 * half * ss) - 0.5
  if face.hair_style == "curly":
    lay(hair_tone * 0.75, _curly(u, v, curls))
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

  # Sockets, lid creases, nostrils and the folds at the mouth are darker than their slope alone makes them.
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
  dark += _lines(face, u, v)
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
  if face.headwear in ("beanie", "cap"):  # hair must not show through headwear
    cap = cap * _inside(-0.45 - v, 0.05)
  shadow = cv2.GaussianBlur(cap, (0, 0), 0.045 * half * ss)
  image *= 1 - 0.30 * (np.roll(shadow, int(0.05 * half * ss), 0) * (1 - cap) * inside)[..., None]
  if face.hair_style == "curly":
    lay(hair_tone * (0.7 + 0.9 * curls)[..., None], cap)
  else:
    lay(hair_tone * (1.0 + 0.5 * np.exp(-(((v + 0.86 + 0.1 * u**2) / 0.10) ** 2)))[..., None], cap)
  if face.earrings:
    for side in (-1, 1):
      lay(
        np.array((214, 178, 96), np.float32), _inside(np.hypot((u - side * 1.04) / 0.035, (v - 0.42) / 0.032) - 1, 0.4)
      )
  for color, alpha in _headwear(face, u, v, strands, light):
    lay(color, alpha)

  stacked = np.dstack([np.clip(image, 0, 255) * cover[..., None], cover])
  return cv2.resize(stacked, (width, height), interpolation=cv2.INTER_AREA)


def paint_glasses(face: Face, half: float, half_w: float) -> np.ndarray | None:
  """Paints the coverage of the glasses' frame, to be drawn over the eyes. -> float32 [h,w], None without glasses."""
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


def paint_occluder(kind: str, half: float, skin: np.ndarray, seed: int) -> np.ndarray:
  """Paints an upright microphone in the hand or on a stand, or a hand, before exposure.

  The point that `Occlusion` places is in the middle of the sprite's width, and equally far from its top.

  Args:
    kind: microphone, stand or hand.
    half: half a head's height in pixels.
    skin: RGB of the hand.
    seed: seed of the look of the microphone.

  Returns:
    float32 [h,w,4], color times coverage, then coverage.
  """
  rng = np.random.default_rng([seed, 2])
  reach = 0.62
  # x and y in half heads from the point that `Occlusion` places.
  ss = _SUPERSAMPLE
  x = ((np.arange(2 * round(reach * half) * ss) + 0.5) / (ss * half) - reach)[None, :].astype(np.float32)
  y = ((np.arange(round(3.6 * half) * ss) + 0.5) / (ss * half) - reach)[:, None].astype(np.float32)
  edge = 1.5 / (ss * half)
  shape = (y.shape[0], x.shape[1])
  image, cover = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
  skin = np.asarray(skin, np.float32)

  def lay(color: np.ndarray, shade: np.ndarray, alpha: np.ndarray) -> None:
    alpha = np.broadcast_to(alpha, shape)
    image[:] += (color * np.broadcast_to(shade, shape)[..., None] - image) * alpha[..., None]
    cover[:] += (1 - cover) * alpha

  def rod(x0: float, y0: float, x1: float, y1: float, radius: float, color: np.ndarray, waist: float = 0.0) -> None:
    """Draws a lit rod with round ends."""
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    away = np.hypot(x - x0 - along * dx, y - y0 - along * dy) / (radius * (1 - waist * along))
    lay(color, 1.08 - 0.50 * np.clip(away, 0, 1) ** 3, _inside((away - 1) * radius, edge))

  def fist(top: float) -> None:
    """Draws fingers around a handle."""
    rod(0.10, top + 0.18, 0.22, 2.95, 0.24, skin * 0.9)  # wrist and forearm
    for finger in range(4):
      level = top + 0.115 * finger
      rod(-0.17, level + 0.03, 0.15, level, 0.066, skin * (0.96 - 0.03 * finger))
    rod(0.19, top + 0.26, 0.05, top - 0.06, 0.07, skin)  # thumb

  if kind == "hand":
    rod(0.0, 0.35, 0.10, 2.95, 0.27, skin * 0.88, waist=-0.2)
    rod(0.0, -0.08, 0.02, 0.30, 0.30, skin * 0.95)
    for number, (tip_x, tip_y) in enumerate(((-0.32, -0.36), (-0.13, -0.50), (0.08, -0.50), (0.28, -0.40))):
      rod(0.60 * tip_x, 0.05, tip_x, tip_y, 0.085, skin * (1.0 - 0.05 * (number % 2)))
    rod(-0.22, 0.28, -0.46, -0.02, 0.095, skin)
  else:
    metal = rng.uniform(20, 70) * np.ones(3, np.float32)
    grille = (rng.uniform(120, 190) if rng.uniform() < 0.6 else rng.uniform(25, 60)) * np.ones(3, np.float32)
    if kind == "stand":
      rod(0.0, 0.5, 0.0, 2.95, 0.05, metal * 0.8)
    rod(0.0, 0.20, 0.0, 1.15, 0.12, metal, waist=0.3)
    ball = np.hypot(x / 0.235, y / 0.26)
    mesh = 1 + 0.18 * np.sin(75 * (x + y)) * np.sin(75 * (x - y))
    shine = 0.7 * np.exp(-(((x + 0.07) / 0.07) ** 2) - ((y + 0.09) / 0.09) ** 2)
    lay(grille, (0.95 - 0.45 * np.clip(ball, 0, 1) ** 3 + shine) * mesh, _inside((ball - 1) * 0.24, edge))
    rod(-0.20, 0.14, 0.20, 0.14, 0.035, metal * 1.6)
    if kind == "microphone":
      fist(0.55)
  sprite = np.dstack([np.clip(image, 0, 255) * cover[..., None], cover])
  return cv2.resize(sprite, (shape[1] // ss, shape[0] // ss), interpolation=cv2.INTER_AREA)


def paint_body(face: Face, light: float, half: float, half_w: float) -> np.ndarray:
  """Paints neck and shoulders, before exposure. -> float32 [h,w,4], color times coverage, then coverage.

  The middle column is that of the head; the first row is at v = `BODY_TOP`.
  """
  width, height = 2 * round(BODY_U * half_w), round((BODY_BOTTOM - BODY_TOP) * half)
  rng = np.random.default_rng([face.texture_seed, 3])
  v = ((np.arange(height) + 0.5) / half + BODY_TOP)[:, None].astype(np.float32)
  u = ((np.arange(width) + 0.5 - width / 2) / half_w)[None, :].astype(np.float32)
  edge = 1.5 / half_w
  shirt = np.array(face.shirt, np.float32)
  # Shoulders slope from the neck; the neck narrows upwards and lies in the chin's shadow.
  slope = 1.42 + 0.24 * np.clip(np.abs(u) - 0.5, 0, None) ** 1.2 + 6 * np.clip(np.abs(u) - 2.05, 0, None) ** 2
  folds = _blur_noise(rng, height, width, 0.4 * half)
  if face.shirt_style == "stripes":
    shirt = np.where((np.sin(20 * (v - slope)) > 0.2)[..., None], shirt, 0.4 * shirt + 110)
  if face.shirt_style == "jacket":  # open over a lighter shirt
    shirt = np.where((np.abs(u) > 0.18 + 0.55 * np.clip(2.3 - v, 0, 1))[..., None], 0.55 * shirt, 0.3 * shirt + 150)
  image = shirt * (0.82 + 0.18 * folds + 0.18 * light * np.clip(u / 2, -1, 1))[..., None]
  body = _inside(slope - v, edge)
  neck_width = 0.56 + 0.10 * np.clip(v - 1.0, 0, 1) + 0.35 * np.clip(v - 1.42, 0, 1)
  collar = 1.62 + 0.06 * np.cos(3 * u) - 0.30 * np.abs(u)
  neck = _inside(np.abs(u) - neck_width, 2 * edge) * _inside(v - collar, 2 * edge) * _inside(0.3 - v, edge)
  skin = np.array(face.skin, np.float32)
  tone = 0.80 + 0.20 * light * u - 0.15 * u**2 - 0.40 * np.exp(-(((v - 0.95) / 0.28) ** 2))
  image += (skin * np.clip(tone, 0.2, 1.1)[..., None] - image) * neck[..., None]
  cover = body + (1 - body) * neck
  return np.dstack([image * cover[..., None], cover]).astype(np.float32)


def paint_backdrop(camera: Camera, width_px: int, height_px: int) -> np.ndarray:
  """Paints the backdrop, more or less out of focus, before exposure. -> float32 [H,W,3]."""
  rng = np.random.default_rng(camera.backdrop_seed)
  kind = camera.backdrop
  y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
  x, y = x / width_px, y / height_px
  # Walls have duller colors than the lights of a stage.
  top, bottom = rng.uniform(15, 200, (2, 3)) * rng.uniform(0.5, 1.0)
  dull = rng.uniform(0.0, 0.9)
  top, bottom = ((1 - dull) * color + dull * color.mean() for color in (top, bottom))
  image = (top + (bottom - top) * y[..., None]).astype(np.float32)

  def box(x0: float, y0: float, x1: float, y1: float, color: np.ndarray, opacity: float = 1.0) -> None:
    rows, columns = (
      slice(max(0, round(a * size)), max(0, round(b * size)))
      for a, b, size in ((y0, y1, height_px), (x0, x1, width_px))
    )
    image[rows, columns] += (np.asarray(color, np.float32) - image[rows, columns]) * opacity

  def paint() -> np.ndarray:
    return rng.uniform(20, 220, 3).astype(np.float32)

  if kind == "curtain":
    folds = np.sin(
      2 * np.pi * (rng.uniform(6, 14) * x + 0.6 * np.sin(2 * np.pi * x * rng.uniform(1, 3)) + rng.uniform())
    )
    image *= (1 + 0.25 * folds)[..., None]
  elif kind == "pictures":
    for _ in range(rng.integers(4, 10)):
      (a, b), w, h = rng.uniform(-0.05, 0.95, 2), rng.uniform(0.06, 0.22), rng.uniform(0.08, 0.30)
      box(a - 0.01, b - 0.013, a + w + 0.01, b + h + 0.013, paint() * 0.4)
      box(a, b, a + w, b + h, paint())
      box(a + 0.2 * w, b + 0.5 * h, a + 0.7 * w, b + h, paint(), 0.7)
  elif kind == "stage":
    image *= 0.35
    for _ in range(rng.integers(5, 14)):
      a, r = rng.uniform(0, 1, 2), rng.uniform(0.03, 0.14)
      glow = np.exp(-(((x - a[0]) * 1.33 / r) ** 2) - ((y - a[1]) / r) ** 2)
      image += glow[..., None] * rng.uniform(40, 255, 3).astype(np.float32) * rng.uniform(0.4, 1.0)
    for _ in range(rng.integers(0, 4)):  # beams of light from above
      foot, lean, wide = rng.uniform(0, 1), rng.uniform(-0.5, 0.5), rng.uniform(0.03, 0.10)
      beam = np.exp(-(((x - foot - lean * y) / (wide * (0.3 + y))) ** 2)) * (1 - 0.6 * y)
      image += beam[..., None] * rng.uniform(20, 140, 3).astype(np.float32)
  elif kind == "window":
    side = rng.uniform(0.0, 0.25) if rng.uniform() < 0.5 else rng.uniform(0.75, 1.0)
    window = np.exp(-((np.abs(x - side) / 0.18) ** 6)) * np.exp(-((np.abs(y - 0.4) / 0.35) ** 6))
    image += window[..., None] * (rng.uniform(150, 240, 3).astype(np.float32) - image) * 0.8
    box(side - 0.008, 0.05, side + 0.008, 0.75, top * 0.6)
    box(side - 0.18, 0.39, side + 0.18, 0.41, top * 0.6)
  elif kind == "bookshelf":
    image *= 0.45
    shelves = rng.integers(3, 6)
    for shelf in range(shelves):
      floor, a = (shelf + 1) / shelves, rng.uniform(-0.02, 0.02)
      while a < 1:
        wide, high = rng.uniform(0.012, 0.04), rng.uniform(0.55, 0.88) / shelves
        if rng.uniform() < 0.9:
          spine = paint() * 0.8
          box(a, floor - high, a + wide, floor, spine)
          box(a, floor - 0.75 * high, a + wide, floor - 0.65 * high, spine * 0.5 + 90)
        a += wide + 0.002
      box(0, floor - 0.012, 1, floor + 0.012, bottom * 0.7 + 30)
  elif kind == "room":
    box(0, 0.72, 1, 1, bottom * 0.5 + 20)
    sofa, a = paint() * 0.7, rng.uniform(-0.2, 0.3)
    box(a, 0.55, a + 0.75, 0.80, sofa)
    box(a - 0.03, 0.68, a + 0.78, 0.98, sofa * 0.8)
    for _ in range(rng.integers(1, 4)):
      (b, w), h = rng.uniform((0.0, 0.08), (0.9, 0.2)), rng.uniform(0.1, 0.25)
      box(b, 0.10, b + w, 0.10 + h, paint())
    lamp = rng.uniform(0.05, 0.95)
    box(lamp - 0.006, 0.3, lamp + 0.006, 0.95, sofa * 0.3)
    shade = _inside(np.abs(x - lamp) - 0.04 - 0.25 * np.clip(y - 0.18, 0, 1), 0.01) * _inside(
      np.abs(y - 0.25) - 0.07, 0.01
    )
    glow = np.exp(-(((x - lamp) * 1.33 / 0.25) ** 2) - ((y - 0.25) / 0.25) ** 2)
    image += (shade * 180 + 70 * glow)[..., None] * np.array((1.0, 0.85, 0.6), np.float32)
  elif kind == "bricks":
    rows = rng.integers(10, 22)
    row = np.floor(y * rows)
    across = x * rows * 0.62 + 0.5 * (row % 2)
    mortar = np.maximum(np.abs(y * rows - row - 0.5) > 0.42, np.abs(across % 1 - 0.5) > 0.46)
    tone = rng.uniform(0.75, 1.15, (rows + 1, rows + 2))[row.astype(int), across.astype(int)]
    image = np.where(mortar[..., None], 0.6 * image + 60, image * tone[..., None]).astype(np.float32)
  else:  # foam: the wedges of a recording room
    count = rng.integers(5, 10)
    a, b = x * count * 1.33, y * count
    turned = (np.floor(a) + np.floor(b)) % 2 == 0
    wedges = np.where(turned, a * 4, b * 4) % 1
    image *= (0.35 + 0.55 * np.abs(wedges - rng.uniform(0.2, 0.8)))[..., None]
  # The backdrop is blurred so that an H.264 encoder spends few bits on it.
  image = cv2.GaussianBlur(np.clip(image, 0, 255), (0, 0), rng.uniform(0.003, 0.02) * width_px)
  grain = _blur_noise(rng, height_px, width_px, 0.02 * width_px)
  return image * (0.93 + 0.14 * grain[..., None])


def _outline(v: np.ndarray, jaw: float) -> np.ndarray:
  """Computes half the face's width at each height: an egg that narrows to the chin."""
  skull = np.clip(1 - np.abs(np.minimum(v, 0)) ** 2.4, 0, 1) ** (1 / 2.4)
  chin = np.clip(1 - np.abs(np.maximum(v, 0)) ** 3.2, 0, 1) ** (1 / 2.0) * (1 - jaw * np.clip(v, 0, 1) ** 1.6)
  return np.where(np.abs(v) < 1, np.where(v < 0, skull, chin), -1)


def _inside(distance: np.ndarray, edge: float) -> np.ndarray:
  """Returns 1 for negative `distance` and 0 for positive, with a ramp of width `edge` around 0."""
  return np.clip(0.5 - distance / edge, 0, 1).astype(np.float32)


def _spot(u: np.ndarray, v: np.ndarray, cu: float, cv: float, su: float, sv: float) -> np.ndarray:
  return np.exp(-(((u - cu) / su) ** 2) - ((v - cv) / sv) ** 2)


def _shade(face: Face, u: np.ndarray, v: np.ndarray, light: float) -> np.ndarray:
  """Shades the skin: a height field lit from above and one side. -> [h,w], about 1 where it faces the light."""
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
  """Computes the coverage of the beard; the lips are drawn over it. -> [h,w]."""
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
  """Computes the coverage of the hair in front of the skull. -> [h,w]."""
  if style == "bald":
    return np.zeros_like(strands)
  grow = {"short": 1.05, "side": 1.10, "fringe": 1.10, "long": 1.14, "bun": 1.05, "curly": 1.12}[style]
  skull = np.sqrt(np.clip(1 - (np.minimum(v, 0) / (1 + (grow - 1) * 1.5)) ** 2, 0, 1)) * grow
  line = {
    "short": -0.60 + 0.50 * np.clip(np.abs(u) - 0.62, 0, 1) ** 1.2 * 3,
    "side": -0.56 + 0.22 * u + 1.6 * np.clip(np.abs(u) - 0.74, 0, 1) * 1.4,
    "fringe": -0.36 + 0.10 * u**2 + 2.2 * np.clip(np.abs(u) - 0.80, 0, 1),
    "long": -0.66 + 0.55 * u**2 + 5.0 * np.clip(np.abs(u) - 0.84, 0, 1),
    "bun": -0.66 + 0.42 * u**2 + 1.5 * np.clip(np.abs(u) - 0.84, 0, 1),
    "curly": -0.56 + 0.30 * u**2 + 3.0 * np.clip(np.abs(u) - 0.86, 0, 1),
  }[style]
  bottom = {"short": 0.02, "side": 0.05, "fringe": 0.18, "long": 1.25, "bun": -0.02, "curly": 0.30}[style]
  skull = np.where(skull > 0, skull, -1)
  line = line + 0.05 * (strands - 0.5)
  return _inside(np.abs(u) - skull, 4 * edge) * _inside(v - line, 0.035) * _inside(v - bottom, 0.06)


def _curly(u: np.ndarray, v: np.ndarray, curls: np.ndarray) -> np.ndarray:
  """Computes the coverage of curly hair behind the head. -> [h,w]."""
  cloud = np.hypot(u / 1.24, (v + 0.18) / np.where(v < -0.18, 1.06, 0.62)) + 0.14 * curls - 1
  return _inside(cloud, 0.05)


def _lines(face: Face, u: np.ndarray, v: np.ndarray) -> np.ndarray:
  """Computes the darkness of the lines of age: forehead, corners of the eyes, bags under them. -> [h,w]."""
  lines = np.zeros(np.broadcast_shapes(u.shape, v.shape), np.float32)
  for height in (-0.46, -0.38, -0.30):
    lines += 0.20 * np.exp(-(((v - height - 0.04 * u**2) / 0.010) ** 2)) * _inside(np.abs(u) - 0.45, 0.3)
  for side in (-1, 1):
    eye = side * EYE_U * face.eye_gap
    bag = EYE_V + 0.125 - 0.5 * (u - eye) ** 2
    lines += 0.22 * np.exp(-(((v - bag) / 0.016) ** 2)) * _spot(u, v, eye, EYE_V + 0.1, 0.20, 0.2)
    for slope in (-0.35, 0.0, 0.35):
      foot = EYE_V + slope * (side * u - 0.62)
      lines += 0.20 * np.exp(-(((v - foot) / 0.010) ** 2)) * _spot(u, v, side * 0.74, EYE_V, 0.07, 0.2)
  return lines * np.clip(1.6 * face.age - 0.5, 0, 1)


def _headwear(
  face: Face, u: np.ndarray, v: np.ndarray, strands: np.ndarray, light: float
) -> list[tuple[np.ndarray, np.ndarray]]:
  """Paints color and coverage of the layers of headwear, from back to front. -> [h,w,3], [h,w] each."""
  if face.headwear == "none":
    return []
  rng = np.random.default_rng([face.texture_seed, 1])
  color = rng.uniform(15, 200, 3).astype(np.float32)
  # A round surface lit from one side, darker towards its rim.
  round_ = np.clip(0.9 + 0.35 * light * u - 0.30 * u**2 - 0.12 * v, 0.2, 1.4)
  dome = np.hypot(u / 1.10, (v + 0.30) / 0.90) - 1
  if face.headwear == "headphones":
    ring = np.abs(np.hypot(u / 1.16, (v - 0.05) / 1.22) - 1)
    band = _inside(ring - 0.045, 0.03) * _inside(v, 0.05)
    cups = [_inside(np.hypot((u - side * 1.10) / 0.17, (v - 0.12) / 0.27) - 1, 0.10) for side in (-1, 1)]
    cover = np.maximum(band, np.maximum(*cups))
    shine = 0.6 + 0.8 * _spot(np.abs(u), v, 1.16, 0.02, 0.05, 0.12)
    return [(color * 0.6 * (round_ * 0.4 + shine)[..., None], cover)]
  if face.headwear == "beanie":
    ribs = 1 + 0.12 * np.sin(60 * u * np.ones_like(v))
    body = _inside(dome, 0.04) * _inside(v + 0.42 - 0.10 * u**2, 0.04)
    cuff = _inside(np.abs(v + 0.50 - 0.10 * u**2) - 0.12, 0.03) * _inside(np.abs(u) - 1.08, 0.03)
    knit = (0.85 + 0.3 * strands) * round_
    return [(color * knit[..., None], body), (color * 1.12 * (knit * ribs)[..., None], cuff)]
  body = _inside(dome, 0.04) * _inside(v + 0.46, 0.04)
  brim = _inside(np.hypot(u / 0.98, (v + 0.44) / 0.13) - 1, 0.10)
  seams = 1 - 0.25 * np.exp(-(((np.abs(u) - 0.30 * (v + 1.3)) / 0.015) ** 2))
  return [(color * (round_ * seams)[..., None], body), (color * 0.6 * (round_ - 0.8 * (v + 0.40))[..., None], brim)]


def _strands(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
  """Draws vertically stretched noise, 0..1. -> float32 [h,w]."""
  noise = rng.random((height, width), np.float32)
  return _stretch(cv2.GaussianBlur(noise, (0, 0), sigmaX=1.2, sigmaY=0.06 * height))


def _blur_noise(rng: np.random.Generator, height: int, width: int, sigma: float) -> np.ndarray:
  """Draws smooth noise, 0..1. -> float32 [h,w]."""
  step = max(1, int(sigma))
  small = rng.random((height // step + 2, width // step + 2), np.float32)
  return _stretch(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _stretch(noise: np.ndarray) -> np.ndarray:
  return np.clip(0.5 + (noise - noise.mean()) / (4 * noise.std() + 1e-6), 0, 1)


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
  r, g, b = np.clip(np.round(color), 0, 255).astype(int).tolist()
  return r, g, b
