"""Rendered heads whose mouth, eyes and pose follow a frame state.

`portraits` paints a head once. For each frame, this module draws only mouth and eyes on it, turns it (a cylinder for
yaw and pitch, an affine map for roll and place), lays it over a fixed backdrop, and lays occlusions over the result.

Axes: H, W pixels of the frame; h, w pixels of the head's canvas. Colors are RGB.
"""

from collections.abc import Sequence
import dataclasses
import functools
import zlib

import cv2
import numpy as np

from attavvad_jax.simulation.portraits import (
  BODY_TOP,
  CANVAS_TOP,
  EYE_U,
  EYE_V,
  MOUTH_V,
  Camera,
  Face,
  paint_backdrop,
  paint_body,
  paint_glasses,
  paint_head,
  paint_occluder,
)

Color = Sequence[float]
OCCLUSIONS = ("microphone", "stand", "hand")
_NOISE_SHIFTS = 32  # number of offsets of the sensor's noise, vertically and horizontally
_NECK = 0.06  # head heights by which the head moves before the body follows
_SHIFT = 4  # fractional bits of OpenCV's drawing functions


@dataclasses.dataclass(frozen=True)
class Occlusion:
  """Something in front of the face.

  Attributes:
    kind: one of `OCCLUSIONS`: a microphone in the hand or on a stand, or a hand. A hand and a held microphone move with
      the head; a stand does not.
    x: horizontal center of the microphone's head or the palm, in head coordinates: ±1 at the cheeks, 0 at the mouth.
    y: vertical center: -1 at the crown, 0.6 at the mouth, 1 at the chin.
    size: scale, 1 for life size.
    angle_deg: direction of the handle or the forearm: 0 from straight below, positive from the right.
  """

  kind: str
  x: float
  y: float
  size: float = 1.0
  angle_deg: float = 0.0

  def __post_init__(self):
    if self.kind not in OCCLUSIONS:
      raise ValueError(f"occlusion is {self.kind!r}; expected one of {', '.join(OCCLUSIONS)}")


@dataclasses.dataclass(frozen=True)
class FaceState:
  """The state of a face in one frame.

  Attributes:
    openness: opening of the mouth, 0 shut to 1 wide open.
    width: width of the mouth, -1 rounded to 1 spread.
    blink: 0 for open eyes to 1 for shut eyes.
    gaze_x: horizontal direction of the eyes, -1 left to 1 right in the frame.
    gaze_y: vertical direction of the eyes, -1 up to 1 down.
    yaw_deg: yaw of the head, positive towards the right of the frame.
    pitch_deg: pitch of the head, positive for a lowered head.
    roll_deg: roll of the head, positive for clockwise.
    shift_x: offset of the head from the camera's center, in head heights. Large values leave the frame.
    shift_y: vertical offset, positive downwards.
    smile: 0 for a face at rest to 1 for raised corners of the mouth; with `openness` above 0.1, teeth show too.
    jaw_shift: sideways shift of the jaw, -1 to 1, as in chewing.
    lips: contrast of the lips with the skin, 0 for none to 1 as the face has it.
    teeth: brightness of the teeth, 1 in full light.
    occlusion: object in front of the face.
    blur_px: length of the head's motion blur, in pixels of a frame 360 px high.
    blur_deg: direction of the motion, 0 for horizontal, 90 for vertical.
  """

  openness: float = 0.0
  width: float = 0.0
  blink: float = 0.0
  gaze_x: float = 0.0
  gaze_y: float = 0.0
  yaw_deg: float = 0.0
  pitch_deg: float = 0.0
  roll_deg: float = 0.0
  shift_x: float = 0.0
  shift_y: float = 0.0
  smile: float = 0.0
  jaw_shift: float = 0.0
  lips: float = 1.0
  teeth: float = 1.0
  occlusion: Occlusion | None = None
  blur_px: float = 0.0
  blur_deg: float = 0.0


def render(face: Face, camera: Camera, state: FaceState, width_px: int = 480, height_px: int = 360) -> np.ndarray:
  """Renders one frame. -> uint8 [H,W,3] RGB. Caches the static parts of the last faces."""
  return _painter(face, camera, width_px, height_px).paint(state)


def face_box(
  camera: Camera, state: FaceState, width_px: int = 480, height_px: int = 360
) -> tuple[float, float, float, float]:
  """Predicts the box of mediapipe's detector, forehead to chin: x, y, width, height in pixels.

  The prediction was fitted to 594 detected boxes of 300 faces, with yaw within 15 degrees and pitch and roll within 8:
  mean IoU 0.93. The box may extend beyond the frame.
  """
  head = camera.head_height * height_px
  openness = min(max(state.openness, 0.0), 1.0)
  x = camera.center_x * width_px + (state.shift_x + 0.0067 * state.yaw_deg + 0.0078 * state.roll_deg) * head
  y = camera.center_y * height_px + (state.shift_y + 0.130 + 0.0113 * state.pitch_deg + 0.020 * openness) * head
  side = (0.723 - 0.0032 * state.pitch_deg + 0.050 * openness) * head
  return x - side / 2, y - side / 2, side, side


@functools.lru_cache(maxsize=4)
def _painter(face: Face, camera: Camera, width_px: int, height_px: int) -> "_Painter":
  return _Painter(face, camera, width_px, height_px)


class _Painter:
  """The static parts of one face in front of one camera, from which `paint` draws a frame."""

  def __init__(self, face: Face, camera: Camera, width_px: int, height_px: int):
    self.face, self.camera = face, camera
    self.size = (width_px, height_px)
    # Canvas and frame share a scale: half a head's height and half a face's width in pixels.
    self.half = camera.head_height * height_px / 2
    self.half_w = self.half * face.aspect * 1.06
    self.gain = (camera.brightness * np.array(camera.tint)).astype(np.float32)
    self.backdrop = self._expose(paint_backdrop(camera, width_px, height_px)).astype(np.uint8)
    self.body = self._expose_layer(paint_body(face, camera.light, self.half, self.half_w))
    self.still = self._with_body(0.0, 0.0)
    self.canvas = self._expose_layer(paint_head(face, camera.light, self.half, self.half_w))
    self.height, self.width = self.canvas.shape[:2]
    self.origin = (self.width / 2, -CANVAS_TOP * self.half)
    self.glasses = paint_glasses(face, self.half, self.half_w)
    if self.glasses is not None:
      rows = np.flatnonzero(self.glasses.any(axis=1))
      self.glasses_rows = slice(rows[0], rows[-1] + 1)
      self.glasses = self.glasses[self.glasses_rows, :, None] * 0.92

    self.occluders: dict[str, np.ndarray] = {}
    self.noise: np.ndarray | None = None
    if camera.noise > 0:
      # The noise is larger than the frame; each frame takes another part of it.
      rng = np.random.default_rng(camera.backdrop_seed)
      shape = (height_px + _NOISE_SHIFTS, width_px + _NOISE_SHIFTS)
      grain = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), 0.6)
      self.noise = cv2.merge([np.round(grain * (camera.noise / grain.std())).astype(np.int16)] * 3)

  def _expose(self, color: np.ndarray) -> np.ndarray:
    """Applies the camera's exposure, tint and contrast to a color. [...,3] -> [...,3] in 0..255."""
    return np.clip(128 * (np.maximum(color * self.gain, 0) / 128) ** self.camera.contrast, 0, 255)

  def _expose_layer(self, layer: np.ndarray) -> np.ndarray:
    """Exposes a layer: color times coverage, then coverage. float32 [h,w,4] -> uint8 [h,w,4]."""
    cover = layer[..., 3:]
    color = self._expose(layer[..., :3] / np.maximum(cover, 1e-6))
    return (np.dstack([color, np.full_like(cover, 255)]) * cover).astype(np.uint8)

  def paint(self, state: FaceState) -> np.ndarray:
    canvas = self.canvas.copy()
    for side in (-1, 1):
      self._eye(canvas, side, state)
    self._mouth(canvas, state)
    if self.glasses is not None:
      part = canvas[self.glasses_rows, :, :3]
      part[:] = part + (24.0 - part) * self.glasses
    frame = self._place(self._turn(canvas, state), state)
    if state.occlusion is not None:
      self._occlude(frame, state, state.occlusion)
    if self.noise is not None:
      # The state determines the part, so that equal states give equal frames.
      down, right = divmod(zlib.crc32(repr(state).encode()) % _NOISE_SHIFTS**2, _NOISE_SHIFTS)
      height, width = frame.shape[:2]
      frame = cv2.add(frame, self.noise[down : down + height, right : right + width], dtype=cv2.CV_8U)
    return frame

  def _place(self, head: np.ndarray, state: FaceState) -> np.ndarray:
    """Lays the head over the backdrop. [h,w,4] -> [H,W,3]."""
    # The head tilts about the neck.
    neck = np.array([0.0, 0.9 * self.half])
    linear = _rotation(state.roll_deg)
    offset = self._center(state) + neck - linear @ (np.array(self.origin) + neck)
    # The head moves a little on the neck before the body follows.
    follow = [np.sign(shift) * max(0.0, abs(shift) - _NECK) for shift in (state.shift_x, state.shift_y)]
    frame = self._with_body(*follow) if any(follow) else self.still.copy()
    length = state.blur_px * self.size[1] / 360
    _lay(frame, head, np.column_stack([linear, offset]), _streak(length, state.blur_deg) if length > 1 else None)
    return frame

  def _with_body(self, shift_x: float, shift_y: float) -> np.ndarray:
    """Lays the body over the backdrop, shifted by head heights. -> [H,W,3]."""
    frame = self.backdrop.copy()
    x, y = self._center(FaceState(shift_x=shift_x, shift_y=shift_y))
    _lay(frame, self.body, np.array([[1, 0, x - self.body.shape[1] / 2], [0, 1, y + BODY_TOP * self.half]]), None)
    return frame

  def _occlude(self, frame: np.ndarray, state: FaceState, occlusion: Occlusion) -> None:
    """Lays the occlusion over the frame, in place."""
    if occlusion.kind not in self.occluders:
      seed, skin = self.face.texture_seed, np.array(self.face.skin) * (0.95 + 0.1 * self.camera.light)
      self.occluders[occlusion.kind] = self._expose_layer(paint_occluder(occlusion.kind, self.half, skin, seed))
    sprite = self.occluders[occlusion.kind]
    still = occlusion.kind == "stand"
    place = np.array([occlusion.x * self.half_w, occlusion.y * self.half])
    center = self._center(FaceState() if still else state)
    linear = occlusion.size * _rotation(-occlusion.angle_deg)
    middle = np.array([sprite.shape[1] / 2, sprite.shape[1] / 2])
    _lay(frame, sprite, np.column_stack([linear, center + place - linear @ middle]), None)

  def _center(self, state: FaceState) -> np.ndarray:
    """Returns the center of the head in pixels of the frame."""
    x = self.camera.center_x * self.size[0] + state.shift_x * 2 * self.half
    y = self.camera.center_y * self.size[1] + state.shift_y * 2 * self.half
    return np.array([x, y])

  def _turn(self, canvas: np.ndarray, state: FaceState) -> np.ndarray:
    """Applies yaw and pitch as turns of a cylinder, and moves the jaw. [h,w,4] -> [h,w,4]."""
    ox, oy = self.origin
    columns = _cylinder(np.arange(self.width) - ox, 1.12 * self.half_w, state.yaw_deg) + ox
    rows = np.arange(self.height) - oy
    rows = _cylinder(rows, 1.5 * self.half, state.pitch_deg) / self.half
    # An open mouth stretches the face below it: the chin moves from v = 1 to 1 + drop.
    drop = 0.10 * state.openness
    rows = np.interp(rows, [-9, MOUTH_V, 1 + drop, 9], [-9, MOUTH_V, 1, 9 - drop])
    rows = rows * self.half
    # The sideways shift of the jaw grows towards the chin.
    aside = 0.09 * self.half_w * state.jaw_shift * np.interp(rows / self.half, [-9, 0.35, 0.8, 1, 1.2], [0, 0, 1, 1, 0])
    rows = rows + oy
    map_x = columns.astype(np.float32) - aside.astype(np.float32)[:, None]
    map_y = np.broadcast_to(rows.astype(np.float32)[:, None], (self.height, self.width))
    return cv2.remap(canvas, map_x, np.ascontiguousarray(map_y), cv2.INTER_LINEAR)

  def _point(self, u: float, v: float) -> tuple[float, float]:
    return u * self.half_w + self.origin[0], v * self.half + self.origin[1]

  def _eye(self, canvas: np.ndarray, side: int, state: FaceState) -> None:
    """Draws eyeball, iris and lids of one eye, in place."""
    face = self.face
    cx, cy = self._point(side * EYE_U * face.eye_gap, EYE_V)
    a = 0.185 * face.eye_size * self.half_w
    open_ = max(0.0, 1 - state.blink)
    b = 0.068 * face.eye_size * self.half
    t = np.linspace(-1, 1, 13)
    bow = 1 - t**2
    tilt = -0.10 * b * t * side
    up = -(bow**0.8) * b * (1.15 * open_ - 0.35 * (1 - open_)) + tilt
    low = bow * b * (0.75 - 0.3 * state.smile * open_) + tilt
    x0, x1 = int(cx - 1.5 * a), int(cx + 1.5 * a) + 2
    y0, y1 = int(cy - 2.6 * b), int(cy + 2.4 * b) + 2
    part = canvas[y0:y1, x0:x1, :3]
    cx, cy = cx - x0, cy - y0
    xs = t * a + cx
    if open_ > 0.08:
      ball = np.empty_like(part)
      ball[:] = self._lit((226, 220, 214))
      r = 0.098 * face.eye_size * self.half_w * 0.92
      ix, iy = cx + state.gaze_x * 0.42 * a, cy - 0.12 * b + state.gaze_y * 0.4 * b
      _disc(ball, ix, iy, r, self._lit(np.array(face.iris) * 0.55))
      _disc(ball, ix, iy, r * 0.84, self._lit(face.iris))
      _disc(ball, ix, iy, r * 0.45, (12, 10, 10))
      _disc(ball, ix - 0.35 * r, iy - 0.4 * r, max(0.22 * r, 0.6), (245, 245, 245))
      # The upper lid shades the eyeball.
      rim = np.concatenate([np.column_stack([xs, up + cy]), np.column_stack([xs, up + cy + 0.45 * b])[::-1]])
      _blend(ball, rim, (60, 40, 36), 0.35)
      mask = _mask(
        part.shape[:2], np.concatenate([np.column_stack([xs, up + cy]), np.column_stack([xs, low + cy])[::-1]])
      )
      _mix(part, ball, mask)
    lash = np.column_stack([xs, up + cy])
    thick = np.column_stack([xs, up + cy - (0.16 + 0.14 * bow) * b])[::-1]
    _blend(part, np.concatenate([lash, thick]), self._lit(np.array(face.skin) * 0.16), 0.9)
    under = np.column_stack([xs, low + cy])
    rim = np.concatenate([under, np.column_stack([xs, low + cy + 0.14 * b])[::-1]])
    _blend(part, rim, self._lit(np.array(face.skin) * 0.45), 0.6)

  def _mouth(self, canvas: np.ndarray, state: FaceState) -> None:
    """Draws lips, teeth, tongue and the dark between them, in place."""
    face = self.face
    cx, cy = self._point(0.0, MOUTH_V)
    openness = float(np.clip(state.openness, 0, 1))
    spread = float(np.clip(state.width, -1, 1))
    smile = float(np.clip(state.smile, 0, 1))
    a = 0.36 * face.mouth_width * self.half_w * (1 + 0.18 * spread - 0.10 * openness + 0.20 * smile)
    gap = 0.25 * self.half * openness
    thin = 1 - 0.15 * spread - 0.20 * smile
    lip_up, lip_low = 0.058 * face.lip_weight * self.half * thin, 0.075 * face.lip_weight * self.half * thin
    t = np.linspace(-1, 1, 21)
    bow = np.sqrt(np.clip(1 - t**2, 0, 1))
    soft = (1 - t**2) ** 0.7
    corner = self.half * (t**2) * (0.012 * (1 - 2 * max(spread, 0)) - 0.085 * smile) + 0.02 * self.half * smile
    upper_inner = -0.30 * gap * bow + corner
    lower_inner = 0.70 * gap * bow + corner
    cupid = 1 - 0.22 * np.exp(-((t / 0.12) ** 2)) + 0.10 * np.exp(-(((np.abs(t) - 0.24) / 0.14) ** 2))
    upper_outer = upper_inner - lip_up * soft * cupid
    lower_outer = lower_inner + lip_low * soft
    x0, x1 = int(cx - 1.35 * a) - 2, int(cx + 1.35 * a) + 3
    y0, y1 = int(cy - 0.17 * self.half - gap * 0.4) - 2, int(cy + 0.16 * self.half + gap) + 3
    part = canvas[y0:y1, x0:x1, :3]
    cx, cy = cx - x0, cy - y0
    xs = t * a + cx

    def band(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
      return np.concatenate([np.column_stack([xs, top + cy]), np.column_stack([xs, bottom + cy])[::-1]])

    if smile > 0.05:  # folds of the cheeks at the corners of the mouth
      for side in (-1, 1):
        x, y = cx + side * 1.16 * a, cy - 0.06 * self.half
        high, wide = 0.10 * self.half, 0.035 * self.half_w
        fold = np.array(
          [[x - side * 2 * wide, y - high], [x + wide, y], [x - side * 0.2 * wide, y + high], [x - wide, y]]
        )
        _blend(part, fold, self._lit(np.array(face.skin) * 0.55), 0.25 * smile)
    lips = np.array(face.skin) + state.lips * (np.array(face.lips, float) - face.skin)
    # Shade under the lower lip, then both lips: the upper one faces down and is darker, the lower one catches light.
    _blend(part, band(lower_outer, lower_outer + 0.05 * self.half * soft), self._lit(np.array(face.skin) * 0.6), 0.35)
    _blend(part, band(upper_outer, upper_inner + 1), self._lit(lips * 0.80), 0.95)
    _blend(part, band(lower_inner - 1, lower_outer), self._lit(lips * 0.98), 0.95)
    _blend(
      part,
      band(lower_inner + 0.25 * lip_low * soft, lower_inner + 0.6 * lip_low * soft),
      self._lit(np.minimum(lips * 1.12 + 16, 255)),
      0.35,
    )
    if gap > 1.0:
      hole = np.empty_like(part)
      hole[:] = self._lit((38, 12, 12))
      _ellipse(hole, cx, cy + 0.72 * gap, 0.62 * a, 0.36 * gap, self._lit((142, 62, 62)))
      teeth = (0.26 + 0.6 * smile) * min(gap, 0.10 * self.half) + 0.10 * gap
      _blend(
        hole,
        np.array(
          [
            [cx - 0.72 * a, 0],
            [cx + 0.72 * a, 0],
            [cx + 0.66 * a, cy - 0.30 * gap + teeth],
            [cx, cy - 0.30 * gap + teeth + 0.02 * self.half * smile],
            [cx - 0.66 * a, cy - 0.30 * gap + teeth],
          ]
        ),
        self._lit(state.teeth * np.array((224, 216, 204))),
        0.95,
      )
      _mix(part, hole, _mask(part.shape[:2], band(upper_inner, lower_inner)))
    else:
      line = 0.5 + 0.012 * self.half
      _blend(part, band(corner - line * soft, corner + gap + line * soft), self._lit(lips * 0.36), 0.85)

  def _lit(self, color: Color | np.ndarray) -> tuple[float, ...]:
    # Computes the same as `_expose`, but faster for a single color.
    contrast = self.camera.contrast
    return tuple(min(128 * (c * g / 128) ** contrast, 255.0) for c, g in zip(color, self.gain.tolist(), strict=True))


def _cylinder(x: np.ndarray, radius: float, angle_deg: float) -> np.ndarray:
  """Returns the front-view position of the point that appears at `x` after the cylinder has turned by an angle."""
  s = np.clip(x / radius, -1, 1)
  turned = radius * np.sin(np.arcsin(s) - np.deg2rad(angle_deg))
  return np.where(np.abs(x) < radius, turned, x)


def _rotation(angle_deg: float) -> np.ndarray:
  """Returns the matrix that turns points clockwise in an image. -> [2,2]."""
  cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
  return np.array([[cos, -sin], [sin, cos]])


def _streak(length_px: float, angle_deg: float) -> np.ndarray:
  """Returns the kernel of a motion blur. -> float32 [k,k], k odd."""
  radius = int(np.ceil(length_px / 2))
  kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
  reach = length_px / 2 * np.array([np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))])
  start, end = _fixed(radius - reach), _fixed(radius + reach)
  cv2.line(kernel, start.tolist(), end.tolist(), 1.0, 1, cv2.LINE_8, _SHIFT)
  return kernel / kernel.sum()


def _lay(frame: np.ndarray, layer: np.ndarray, matrix: np.ndarray, kernel: np.ndarray | None) -> None:
  """Transforms a layer by an affine map [2,3], blurs it by a kernel, and lays it over a frame, in place.

  It only writes the part of the frame that the layer reaches.
  """
  height, width = layer.shape[:2]
  corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
  spread = 0 if kernel is None else len(kernel) // 2
  size = np.array([frame.shape[1], frame.shape[0]])
  x0, y0 = np.clip(np.floor(corners.min(1)).astype(int) - spread, 0, size)
  x1, y1 = np.clip(np.ceil(corners.max(1)).astype(int) + spread, 0, size)
  if x1 <= x0 or y1 <= y0:
    return
  matrix = matrix - [[0, 0, x0], [0, 0, y0]]
  over = cv2.warpAffine(layer, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
  if kernel is not None:
    over = cv2.filter2D(over, -1, kernel, borderType=cv2.BORDER_REPLICATE)
  under = frame[y0:y1, x0:x1]
  keep = cv2.cvtColor(255 - over[..., 3], cv2.COLOR_GRAY2RGB)
  frame[y0:y1, x0:x1] = cv2.add(cv2.multiply(under, keep, scale=1 / 255), over[..., :3])


def _fixed(points: np.ndarray) -> np.ndarray:
  return np.round(points * (1 << _SHIFT)).astype(np.int32)


def _mask(shape: tuple[int, int], polygon: np.ndarray) -> np.ndarray:
  """Computes the antialiased coverage of a polygon. [n,2] -> uint8 [h,w]."""
  mask = np.zeros(shape, np.uint8)
  cv2.fillPoly(mask, [_fixed(polygon)], 255, cv2.LINE_AA, _SHIFT)
  return mask


def _mix(under: np.ndarray, over: np.ndarray, mask: np.ndarray) -> None:
  """Blends `over` into `under` by a mask, in place."""
  alpha = mask.astype(np.float32)[..., None] * (1 / 255)
  under[:] = under + (over.astype(np.float32) - under) * alpha + 0.5


def _blend(image: np.ndarray, polygon: np.ndarray, color: Color, opacity: float) -> None:
  """Paints a polygon in one color, in place."""
  alpha = _mask(image.shape[:2], polygon).astype(np.float32)[..., None] * (opacity / 255)
  image[:] = image + (np.asarray(color, np.float32) - image) * alpha + 0.5


def _disc(image: np.ndarray, x: float, y: float, radius: float, color: Color) -> None:
  _ellipse(image, x, y, radius, radius, color)


def _ellipse(image: np.ndarray, x: float, y: float, rx: float, ry: float, color: Color) -> None:
  scale = 1 << _SHIFT
  center = (round(x * scale), round(y * scale))
  cv2.ellipse(image, center, (round(rx * scale), round(ry * scale)), 0, 0, 360, color, -1, cv2.LINE_AA, _SHIFT)
