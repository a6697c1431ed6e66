"""The config of an experiment: every key with its type, unit and default.

`attavvad_jax.configs` makes the shipped experiments from it. It imports no jax, as a config is read before jax may be
imported. Units are in the names: _hz, _s, _ms, _px, _db.
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
  """A network and fields of it; None leaves a field as the network has it, and one that it lacks must be None.

  Attributes:
    name: a name of `models.MODELS`, or package.module:Name of a network of one's own.
    dropout_rate: before the fully connected layer that makes an embedding.
    dtype: of the computation: float32 or bfloat16.
    audio: package.module:Name of an audio backbone, called as `models.AudioBranch`.
    visual: package.module:Name of a visual backbone, called as `models.VisualBranch`.
    fusion: a name of `models.fusion.FUSIONS`, or package.module:Name of a function like those.
    embedding_dim: length of the embeddings.
    filters: of every convolution.
    gru_units: of every recurrent layer.
    motion: whether the visual branch is given differences of images beside them.
    kernel_sizes: of the convolutions of Base-A, time x frequency.
    pool_bands: neighboring bands of which Base-A keeps the largest value, after each convolution.
    audio_kernel_sizes: of the gated convolutions, time x frequency.
    visual_kernel_sizes: of the gated convolutions, height x width.
    visual_strided_kernel_sizes: of the convolutions that follow them.
    visual_strides: of the same.
  """

  name: str = "att_avvad"
  dropout_rate: float = 0.2
  dtype: str = "float32"
  audio: str | None = None
  visual: str | None = None
  fusion: str | None = None
  embedding_dim: int | None = None
  filters: int | None = None
  gru_units: int | None = None
  motion: bool | None = None
  kernel_sizes: Sizes | None = None
  pool_bands: tuple[int, ...] | None = None
  audio_kernel_sizes: Sizes | None = None
  visual_kernel_sizes: Sizes | None = None
  visual_strided_kernel_sizes: Sizes | None = None
  visual_strides: Sizes | None = None


@dataclasses.dataclass(frozen=True)
class Optimizer:
  """What changes the parameters; the learning rate is `config.learning_rate`.

  Attributes:
    name: adam, adamw, sgd or lion as optax has them, or package.module:Name of a function that takes the learning rate
      (a number, or an optax schedule) and returns an `optax.GradientTransformation`.
    schedule: of the learning rate: constant, cosine, or package.module:Name of a function that takes the learning rate
      and the number of steps of the training and returns an `optax.Schedule`. None: cosine where
      `config.learning_rate_decay_epochs` is set, and else constant.
    warmup_epochs: in which the learning rate rises from 0 in a straight line, before the schedule begins.
    weight_decay: of kernels; biases and scales have none. adamw and lion subtract it, times the learning rate, from the
      parameters; adam and sgd add it to the gradient.
    clip_norm: largest norm of the gradient of all parameters together; 0 is no limit.
    momentum: of sgd.
    ema_decay: decay per step of the exponential moving average of the parameters, such as 0.999; 0 keeps no average.
      Where there is one, validation scores it, and checkpoints hold it in place of the trained parameters, which the
      run itself goes on with.

  Raises:
    ValueError: a value that means nothing; names it.
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
      raise ValueError(f"config.optimizer.momentum is {self.momentum}; expected 0, as only sgd has one")
    if self.weight_decay and ":" in self.name:
      raise ValueError(f"config.optimizer.weight_decay is {self.weight_decay}; expected 0: {self.name} has its own")


@dataclasses.dataclass(frozen=True)
class Transfer:
  """What a run starts from.

  Attributes:
    checkpoint: of which all that fits is loaded, as `checkpoints.find_checkpoint` takes it; None to start from nothing.
    freeze: paths of parameters or modules that stay as they are.
  """

  checkpoint: str | None = None
  freeze: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """What is changed, and by how much at most; 0 leaves it alone, and the defaults leave everything alone.

  Attributes:
    gain_db: the sound becomes up to so much louder or quieter.
    swap_audio_probability: that a block whose performer utters nothing gets the voice of another block.
    mix_probability: that background of another block is mixed into a block.
    mix_min_snr_db: the least ratio of the block's level to the background's.
    mix_max_snr_db: the greatest.
    tilt_db: by which the lowest mel band grows or shrinks against the highest, those between them in proportion.
    mask_frames: longest run of audio frames that is masked in the log-mel.
    mask_bands: widest run of mel bands that is masked.
    brightness_fraction: of the images' range, which they become brighter or darker by.
    contrast_fraction: by which differences within an image grow or shrink.
    shift_fraction: of height and of width, by which the images move.
    turn_degrees: by which the images turn, either way.
    zoom_fraction: of its size, by which what is in the images grows, or shrinks likewise.
    erase_fraction: of height and of width, up to which a rectangle of the images becomes an even gray.
    flip_probability: that the images are mirrored, left to right.
    drop_images_probability: that a block loses its images.
    drop_audio_probability: that it loses its sound; never both.

  Raises:
    ValueError: a value that means nothing; names it.
  """

  gain_db: float = 0.0
  swap_audio_probability: float = 0.0
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
  """All that `attavvad train` needs but the data; the defaults are ATT-AVVAD in the paper's configuration.

  Attributes:
    seed: of parameters, order of the data, dropout and augmentation.
    data: folder of the prepared data set.
    clock: cuts a recording into blocks.
    crop: size of the face image, how much of the box's height and width is added around it, and what it shows.
    model: the network.
    batch_size: blocks of a step.
    num_epochs: passes over the training data.
    learning_rate: the largest.
    learning_rate_decay_epochs: in which the learning rate falls to 0 along half a cosine wave; 0 keeps it, as in the
      paper.
    optimizer: what changes the parameters.
    loss_weights: Eq. 2's lambda_1..4, lambda_5 and lambda_6..9 as Table 1 writes them, audio/visual/audio-visual; or
      uncertainty, dynamic_average, grad_norm, or package.module:function that gives a `loss_weights.LossWeights`.
    audio_targets: whose voice the audio branch learns to tell: that of the "performer" (Section 2.1) or of "any_voice",
      where the data set has labels of both.
    transfer: a run, or a checkpoint, of which all parameters that fit are loaded at the start; and paths of parameters
      that training leaves alone, such as "audio/block_0".
    augmentation: changes of the training batches; the paper has none.
    num_microbatches: equal parts in which a batch is taken, one after another, where memory is short. Batch statistics
      are of one part. Costs up to a third of time.
    remat: whether only what leaves blocks of convolutions is kept for the backward pass. Costs up to a third of time.
    checkpoint_every_epochs: from one validation and checkpoint to the next; of short epochs as many as have 20 steps,
      but five times a run at least.
    checkpoint_every_steps: the same in steps, in the place of epochs, where it is set.
    log_every_steps: from one line of the log to the next.
    smoothing: how block scores become a timeline.
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
  """A config, or a group of its keys, as plain values, as JSON gives them back."""
  values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(group)))
  return values
