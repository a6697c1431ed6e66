"""The config of an experiment: every key with its type, unit and default.

`attavvad_jax.configs` builds the shipped experiments from it. This module imports no jax, since configs are read before
jax may be imported. Names carry their units: _hz, _s, _ms, _px, _db.
"""

import dataclasses
import json
import math
from typing import Any

from attavvad_jax.blocks import Crop
from attavvad_jax.timeline import Clock, Smoothing

Sizes = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Model:
  """A network and its fields. None keeps the network's own value; a field that the network lacks must be None.

  Attributes:
    name: a key of `models.MODELS`, or package.module:Name of the user's own network.
    dropout_rate: rate of the dropout before the fully connected layer of each embedding.
    dtype: type of the computation, float32 or bfloat16.
    audio: package.module:Name of an audio backbone, called as `models.AudioBranch`.
    visual: "lips" (`models.lips.LipBranch`) for rows of measures, or package.module:Name of a visual backbone, called
      as `models.VisualBranch`.
    sync: None, or "lips" (`models.sync.SyncBranch`) for a branch that compares rows of measures with the audio, or
      package.module:Name of one with its signature.
    fusion: a key of `models.fusion.FUSIONS`, or package.module:Name of a function with the same signature.
    members: number of such networks whose logits are averaged (`models.Ensemble`); `python -m tools.join` makes one of
      trained runs.
    embedding_dim: length of the embeddings.
    filters: number of filters of every convolution.
    gru_units: number of units of every recurrent layer.
    motion: whether the visual branch also gets the differences between images.
    kernel_sizes: kernel sizes of the convolutions of Base-A, time x frequency.
    pool_bands: number of neighboring bands that Base-A max-pools after each convolution.
    audio_kernel_sizes: kernel sizes of the audio branch's gated convolutions, time x frequency.
    audio_strides: strides of the strided convolutions that follow them.
    visual_kernel_sizes: kernel sizes of the visual branch's gated convolutions, height x width.
    visual_strided_kernel_sizes: kernel sizes of the strided convolutions that follow them.
    visual_strides: strides of the strided convolutions.
  """

  name: str = "att_avvad"
  dropout_rate: float = 0.2
  dtype: str = "float32"
  audio: str | None = None
  visual: str | None = None
  sync: str | None = None
  fusion: str | None = None
  members: int = 1
  embedding_dim: int | None = None
  filters: int | None = None
  gru_units: int | None = None
  motion: bool | None = None
  kernel_sizes: Sizes | None = None
  pool_bands: tuple[int, ...] | None = None
  audio_kernel_sizes: Sizes | None = None
  audio_strides: Sizes | None = None
  visual_kernel_sizes: Sizes | None = None
  visual_strided_kernel_sizes: Sizes | None = None
  visual_strides: Sizes | None = None


@dataclasses.dataclass(frozen=True)
class Optimizer:
  """The optimizer; its learning rate is `config.learning_rate`.

  Attributes:
    name: optax's adam, adamw, sgd or lion, or package.module:Name of a function that takes the learning rate (a number
      or an optax schedule) and returns an `optax.GradientTransformation`.
    schedule: schedule of the learning rate: constant, cosine, or package.module:Name of a function that takes the
      learning rate and the number of training steps and returns an `optax.Schedule`. None means cosine if
      `config.learning_rate_decay_epochs` is set and constant otherwise.
    warmup_epochs: epochs over which the learning rate rises linearly from 0, before the schedule begins.
    weight_decay: weight decay of kernels; biases and scales have none. adamw and lion subtract it, times the learning
      rate, from the parameters; adam and sgd add it to the gradient.
    clip_norm: largest norm of the gradient over all parameters; 0 sets no limit.
    momentum: momentum of sgd.
    ema_decay: decay per step of the exponential moving average of the parameters, such as 0.999; 0 keeps no average.
      Validation scores the average, and checkpoints offer it in place of the trained parameters, from which the run
      itself resumes.

  Raises:
    ValueError: a value is out of range or does not apply to the optimizer; the message names it.
  """

  name: str = "adam"
  schedule: str | None = None
  warmup_epochs: float = 0.0
  weight_decay: float = 0.0
  clip_norm: float = 0.0
  momentum: float = 0.0
  ema_decay: float = 0.0

  def __post_init__(self) -> None:
    for name in ("warmup_epochs", "weight_decay", "clip_norm", "momentum", "ema_decay"):
      value, is_decay = getattr(self, name), name in ("momentum", "ema_decay")
      if not math.isfinite(value) or value < 0 or (is_decay and value >= 1):
        expected = "0 or more, and less than 1" if is_decay else "0 or more"
        raise ValueError(f"config.optimizer.{name} is {value}; expected {expected}")
    if self.momentum and self.name != "sgd":
      raise ValueError(f"config.optimizer.momentum is {self.momentum}; expected 0: only sgd has momentum")
    if self.weight_decay and ":" in self.name:
      raise ValueError(f"config.optimizer.weight_decay is {self.weight_decay}; expected 0: {self.name} sets its own")


@dataclasses.dataclass(frozen=True)
class Transfer:
  """The parameters that a run starts from, and those that it leaves fixed.

  Attributes:
    checkpoint: checkpoint, as `checkpoints.find_checkpoint` takes it, from which all parameters that fit are loaded;
      None starts from random parameters.
    freeze: paths of parameters or modules that training leaves unchanged.
  """

  checkpoint: str | None = None
  freeze: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """The random changes to training batches, each with its maximum or probability; the default 0 turns a change off.

  Attributes:
    gain_db: maximum by which the audio becomes louder or quieter.
    swap_audio_probability: probability that a block whose performer neither speaks nor sings gets the voice of
      another block.
    swap_voice_probability: probability that a block whose performer speaks or sings gets the voice of another block.
    mix_probability: probability that the background of another block is mixed into a block.
    mix_min_snr_db: minimum ratio of the block's level to the background's.
    mix_max_snr_db: maximum ratio of the block's level to the background's.
    tilt_db: maximum by which the lowest mel band is raised or lowered against the highest; bands between them change in
      proportion.
    mask_frames: length of the longest run of audio frames that is masked in the log-mel.
    mask_bands: width of the widest run of mel bands that is masked in the log-mel.
    brightness_fraction: maximum by which the images become brighter or darker, as a fraction of their range.
    contrast_fraction: maximum by which differences within an image grow or shrink.
    shift_fraction: maximum shift of the images, as a fraction of height and of width.
    turn_degrees: maximum rotation of the images in either direction.
    zoom_fraction: maximum fraction by which the images' contents grow; they shrink by at most the same factor.
    erase_fraction: largest size of the rectangle that becomes uniform gray, as a fraction of height and of width.
    flip_probability: probability that the images are mirrored left to right.
    movement_fraction: maximum fraction by which the images' differences from the block's mean image grow; they shrink
      by at most the same factor.
    offset_fraction: standard deviation of a value that is added to each pixel, the same in all images of a block.
    noise_fraction: largest standard deviation of noise in each pixel of each image.
    slow_video_probability: probability that a block's images repeat as in a video of half or a third of the frame rate.
    drop_images_probability: probability that a block loses its images.
    drop_audio_probability: probability that a block loses its audio; no block loses both.

  Raises:
    ValueError: a value is out of range; the message names it.
  """

  gain_db: float = 0.0
  swap_audio_probability: float = 0.0
  swap_voice_probability: float = 0.0
  mix_probability: float = 0.0
  mix_min_snr_db: float = 0.0
  mix_max_snr_db: float = 20.0
  tilt_db: float = 0.0
  mask_frames: int = 0
  mask_bands: int = 0
  brightness_fraction: float = 0.0
  contrast_fraction: float = 0.0
  shift_fraction: float = 0.0
  turn_degrees: float = 0.0
  zoom_fraction: float = 0.0
  erase_fraction: float = 0.0
  flip_probability: float = 0.0
  movement_fraction: float = 0.0
  offset_fraction: float = 0.0
  noise_fraction: float = 0.0
  slow_video_probability: float = 0.0
  drop_images_probability: float = 0.0
  drop_audio_probability: float = 0.0

  def __post_init__(self) -> None:
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      signed = field.name in ("mix_min_snr_db", "mix_max_snr_db")
      highest = 1.0 if field.name.endswith(("_probability", "_fraction")) else math.inf
      if not math.isfinite(value) or (not signed and not 0 <= value <= highest):
        expected = "a finite number" if signed else "0 to 1" if highest == 1 else "0 or more"
        raise ValueError(f"augmentation: {field.name} is {value}; expected {expected}")
    if self.mix_min_snr_db > self.mix_max_snr_db:
      raise ValueError(
        f"augmentation: mix_min_snr_db is {self.mix_min_snr_db}, above mix_max_snr_db, {self.mix_max_snr_db}"
      )
    if self.drop_images_probability + self.drop_audio_probability > 1:
      raise ValueError("augmentation: drop_images_probability and drop_audio_probability add up to more than 1")


@dataclasses.dataclass(frozen=True)
class Config:
  """Everything that `attavvad train` needs except the data. The defaults are the paper's configuration of ATT-AVVAD.

  Attributes:
    seed: seed of parameters, data order, dropout and augmentation.
    data: folder of the prepared data set.
    clock: clock that cuts a recording into blocks.
    crop: size of the face images, margin around the face box, and part of the face that they show.
    model: the network.
    batch_size: blocks per step.
    num_epochs: passes over the training data.
    learning_rate: largest learning rate of the schedule.
    learning_rate_decay_epochs: epochs over which the learning rate falls to 0 along half a cosine wave; 0 keeps it
      constant, as in the paper.
    optimizer: the optimizer and its schedule.
    loss_weights: Eq. 2's lambda_1..4, lambda_5 and lambda_6..9 as in Table 1, audio/visual/audio-visual; or
      uncertainty, dynamic_average, grad_norm, or package.module:function that returns a `loss_weights.LossWeights`.
    sync_weight: weight of the loss of the model's sync branch, beside the nine of Eq. 2: a number, or
      package.module:function of a function that returns a schedule (`loss_weights.schedules`).
    audio_targets: whose events the audio branch learns: those of the "performer" (Section 2.1), or of "any_voice" if
      the data set has labels of both.
    transfer: a run or checkpoint from which all parameters that fit are loaded at the start, and paths of parameters
      that training leaves unchanged, such as "audio/block_0".
    augmentation: random changes to the training batches; the paper has none.
    num_microbatches: number of equal parts of a batch that are processed one after another to save memory. Batch
      statistics are those of one part. Takes up to a third more time.
    remat: whether the backward pass recomputes the inside of convolution blocks instead of storing it. Takes up to a
      third more time.
    checkpoint_every_epochs: epochs from one validation and checkpoint to the next; at least 20 steps where epochs are
      short, but at least five times per run.
    checkpoint_every_steps: steps from one validation and checkpoint to the next; overrides `checkpoint_every_epochs`.
    log_every_steps: steps from one line of the log to the next.
    smoothing: rule by which block scores become a timeline.
  """

  seed: int = 1024
  data: str | None = None
  clock: Clock = dataclasses.field(default_factory=Clock)
  crop: Crop = dataclasses.field(default_factory=lambda: Crop(450, 300, 0.3, "face"))
  model: Model = dataclasses.field(default_factory=Model)
  batch_size: int = 64
  num_epochs: int = 100
  learning_rate: float = 1e-3
  learning_rate_decay_epochs: float = 0.0
  optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
  loss_weights: str = "1/1/1"
  sync_weight: str | float = 1.0
  audio_targets: str = "performer"
  transfer: Transfer = dataclasses.field(default_factory=Transfer)
  augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
  num_microbatches: int = 1
  remat: bool = False
  checkpoint_every_epochs: float = 0.5
  checkpoint_every_steps: int | None = None
  log_every_steps: int = 20
  smoothing: Smoothing = dataclasses.field(default_factory=Smoothing)


def to_dict(group: Any) -> dict[str, Any]:
  """Converts a config, or a group of its keys, to plain values as JSON returns them."""
  values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(group)))
  return values
