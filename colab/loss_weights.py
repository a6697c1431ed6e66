# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/attavvad-jax/attavvad_jax/blob/main/colab/loss_weights.ipynb)
#
# # Loss weights: numbers, schedules, and functions of your own
#
# The loss of the network is a weighted sum of nine. Here a weight is a function of the step, of the losses and of what
# it remembers, and such functions compose, as optax's transformations do. This notebook builds some, draws them, writes
# a new one, and trains a few settings side by side as one program. It takes less than five minutes on two CPU cores,
# most of them in the last part.

# %%
import os
from pathlib import Path
import subprocess

if not Path("../setup.py").exists():  # Colab brings this notebook alone
  if not Path("attavvad_jax").exists():
    address = "https://github.com/attavvad-jax/attavvad_jax"
    clone = subprocess.run(["git", "clone", "-q", "--depth", "1", address], capture_output=True, text=True)
    if clone.returncode:
      raise RuntimeError(f"{address} could not be fetched: {clone.stderr.strip()}")
  os.chdir("attavvad_jax/colab")

# %% [markdown]
# What is missing is installed beside what is there; versions that fit stay as they are, under a kernel that has some of
# them in memory. Should pip say below that it replaced one which had been imported, restart the kernel once.

# %%
# %pip install -e "..[simulation]"

# %%
import sys

sys.path.insert(0, "..")  # for the package, which a kernel that is running does not see yet

from attavvad_jax.machine import prepare_xla

prepare_xla()  # before jax is imported: faster convolutions on CPUs, and compiled programs are kept

# %% [markdown]
# ## Settings
#
# All but `NUM_STEPS` are of the sweep at the end.

# %%
import tempfile

QUICK = "ATTAVVAD_QUICK" in os.environ  # the tests' short form
NUM_STEPS = 300 if QUICK else 1500  # to draw
MINUTES = {"train": 0.5 if QUICK else 1.0, "validation": 0.5}  # of simulated video
EPOCHS = 1 if QUICK else 4
SETTINGS = ["1/1/1", "__main__:lagging"] if QUICK else ["1/1/1", "uncertainty", "__main__:lagging"]
SEEDS = [1] if QUICK else [1, 2]
DATA_SEED = 1
FOLDER = Path(tempfile.mkdtemp())

# %% [markdown]
# ## The nine terms
#
# Eq. 2 of the paper:
#
# $$L = \lambda_1 L_{a-sil} + \lambda_2 L_{a-spe} + \lambda_3 L_{a-sin} + \lambda_4 L_{a-oth} + \lambda_5 L_{v-voc} +
# \lambda_6 L_{av-sil} + \lambda_7 L_{av-spe} + \lambda_8 L_{av-sin} + \lambda_9 L_{av-oth}$$
#
# Each $L$ is a binary cross-entropy: of the audio branch's four outputs, of the visual branch's one, and of the four
# outputs after fusion. In code they have names:

# %%
from attavvad_jax.losses import TERMS

for number, name in enumerate(TERMS, start=1):
  print(f"lambda_{number}  {name}")

# %% [markdown]
# ## A weight function
#
# It is a pair: `init()` gives what the function remembers before the first step, and `update(step, state, losses)`
# gives the nine weights and the state after. `losses` holds the means of the nine terms at that step; functions that do
# not look at them can be asked without any.
#
# The paper compares six constant settings (Table 1), written audio/visual/audio-visual. Their names are values of
# `config.loss_weights`:

# %%
from IPython.display import Image, Markdown, display
import jax
import jax.numpy as jnp

from attavvad_jax.loss_weights import TABLE_1, Losses, LossWeights, from_name


def weights_at(function, step=0):
  """The nine weights at a step, by a function that looks at no losses."""
  weights, _ = function.update(jnp.asarray(step), function.init(), Losses({}))
  return [float(weights[name]) for name in TERMS]


def show_table(functions):
  """A row of nine weights for each of some named functions."""
  rows = [f"| | {' | '.join(name.replace('_', ' ') for name in TERMS)} |", f"| :--- |{' ---: |' * len(TERMS)}"]
  for name, function in functions.items():
    rows.append(f"| `{name}` | {' | '.join(f'{weight:g}' for weight in weights_at(function))} |")
  display(Markdown("\n".join(rows)))


show_table({setting: from_name(setting) for setting in TABLE_1})

# %% [markdown]
# ## Static weights
#
# One number for each group of terms, for each event (by sound and after fusion alike), or for each term. What is not
# named is 1. For example, less of silence, which is rare, and more of singing:

# %%
from attavvad_jax.loss_weights import per_event, per_group, per_term

show_table(
  {
    "per_group(visual=0.5)": per_group(visual=0.5),
    "per_event(silence=0.25, singing=2)": per_event(silence=0.25, singing=2.0),
    "per_term(audio_others=0)": per_term(audio_others=0.0),
  }
)

# %% [markdown]
# ## Schedules
#
# Wherever a number may stand, a function of the step may stand, too: one of these, one of optax's, or any other that
# jax can trace.

# %%
from matplotlib.figure import Figure

from attavvad_jax.loss_weights import constant, cosine, cyclic, exponential, linear, piecewise, warm_up

SCHEDULES = {
  "constant(0.8)": constant(0.8),
  "linear(1, 0, steps)": linear(1.0, 0.0, NUM_STEPS // 2),
  "cosine(1, 0, steps)": cosine(1.0, 0.0, NUM_STEPS // 2),
  "exponential(1, 0.1, steps)": exponential(1.0, 0.1, NUM_STEPS // 2),
  "piecewise({0: 1, ...: 0.5})": piecewise({0: 1.0, NUM_STEPS // 2: 0.5}),
  "warm_up(1, steps)": warm_up(1.0, NUM_STEPS // 2),
  "cyclic(0.2, 1, period)": cyclic(0.2, 1.0, NUM_STEPS // 3),
  "1 + sin(...) / 2": lambda step: 1.0 + jnp.sin(10 * step / NUM_STEPS) / 2,
}


def values_of(schedule):
  """A schedule at the first steps."""
  return jax.vmap(lambda step: jnp.asarray(schedule(step), jnp.float32))(jnp.arange(NUM_STEPS))


figure = Figure(figsize=(10, 3.6), dpi=150, layout="constrained")
for axis, (name, schedule) in zip(figure.subplots(2, 4, sharex=True, sharey=True).flat, SCHEDULES.items(), strict=True):
  axis.plot(values_of(schedule))
  axis.set_title(name, fontsize="small")
figure.savefig(FOLDER / "schedules.png")
display(Image(FOLDER / "schedules.png", width=900))

# %% [markdown]
# `plot_weights` draws all nine weights of a function over the steps, one panel for each group. Here each group follows
# a schedule of its own:

# %%
from attavvad_jax.reports.curves import plot_weights


def show(function, name):
  """The nine weights over the first steps."""
  plot_weights(function, NUM_STEPS, FOLDER / f"{name}.png")
  display(Image(FOLDER / f"{name}.png", width=900))


show(
  per_group(
    audio=cosine(1.0, 0.25, NUM_STEPS),
    visual=warm_up(1.0, NUM_STEPS // 2),
    audio_visual=cyclic(0.5, 1.0, NUM_STEPS // 3),
  ),
  "groups",
)

# %% [markdown]
# ## Functions of functions
#
# `join` puts functions one after another, each counting steps from its own start: a curriculum that first learns to
# hear, then to see, then both at once. A run is trained so with
# `--config.loss_weights=attavvad_jax.configs.curriculum:audio_then_visual_then_joint`.

# %%
from attavvad_jax.loss_weights import after, choose, clip, join, normalize, scale

hear = per_group(visual=0.0, audio_visual=0.0)
see = per_group(audio=0.0, audio_visual=0.0)
curriculum = join([hear, see, per_group()], [NUM_STEPS // 3, 2 * NUM_STEPS // 3])
show(curriculum, "curriculum")

# %% [markdown]
# While the network learns only to see, one term of nine is left and the loss is small. `normalize` keeps the sum of the
# weights, here at 9:

# %%
show(normalize(curriculum), "normalized")

# %% [markdown]
# `scale` multiplies by a number or a schedule, `clip` keeps weights within bounds, and `after` is a `join` of two: ones
# or another function, then this one.

# %%
fading = scale(per_event(singing=2.0), linear(1.0, 0.0, NUM_STEPS))
show(after(NUM_STEPS // 4, clip(fading, low=0.25, high=1.5)), "combined")

# %% [markdown]
# `choose` takes one of several functions by an index that may be traced, so that one compiled program serves them all.
# That is how the sweep below maps over settings. A value, at three indices at once:

# %%
options = [from_name(setting) for setting in TABLE_1[:3]]


def visual_weight(index):
  """The weight of the visual term in the index-th of the options."""
  chosen = choose(options, index)
  weights, _ = chosen.update(jnp.asarray(0), chosen.init(), Losses({}))
  return weights["visual_vocalizing"]


print(TABLE_1[:3], jax.vmap(visual_weight)(jnp.arange(3)))

# %% [markdown]
# ## A function of your own, and functions that look at the losses
#
# Three come with the package: `uncertainty` (Kendall et al. 2018), `dynamic_average` (Liu et al. 2019) and `grad_norm`
# (Chen et al. 2018), which also asks the training step for the norms of the terms' gradients. A new one needs no more
# than this: weights in proportion to each loss, averaged over the last steps, so that what lags behind counts for more.
# The network may lack a branch, and then its terms are absent; a term that no block of a batch counted for is NaN.

# %%


def lagging(rate=0.05):
  """Weights in proportion to the running means of the losses; they add up to 9."""

  def init():
    return jnp.full(len(TERMS), jnp.log(2.0), jnp.float32)  # [9], the losses where all that is done is to guess

  def update(step, state, losses):
    means = jnp.stack([jnp.asarray(losses.means.get(name, jnp.nan), jnp.float32) for name in TERMS])
    state = jnp.where(jnp.isnan(means), state, (1 - rate) * state + rate * means)
    return dict(zip(TERMS, state, strict=True)), state

  return normalize(LossWeights(init, update))


# %% [markdown]
# No network is needed to see what such a function does. Losses that are made up: they begin at that of a guess, and
# those of the audio branch fall fast, the visual one hardly, and those after fusion in between.

# %%
import optax

from attavvad_jax.loss_weights import dynamic_average, uncertainty
from attavvad_jax.losses import AUDIO_TERMS, AUDIO_VISUAL_TERMS, VISUAL_TERMS

FALL_STEPS = {
  **dict.fromkeys(AUDIO_TERMS, NUM_STEPS / 5),
  **dict.fromkeys(VISUAL_TERMS, 5.0 * NUM_STEPS),
  **dict.fromkeys(AUDIO_VISUAL_TERMS, NUM_STEPS / 2),
}


def trace(function):
  """The weights over the first steps under the losses made up. -> [steps, 9]."""

  def advance(state, step):
    losses = Losses({name: jnp.log(2.0) * jnp.exp(-step / FALL_STEPS[name]) for name in TERMS})
    weights, state = function.update(step, state, losses)
    return state, jnp.stack([weights[name] for name in TERMS])

  _, weights = jax.lax.scan(advance, function.init(), jnp.arange(NUM_STEPS))
  return weights


ADAPTIVE = {
  "uncertainty": uncertainty(optax.adam(0.01)),
  "dynamic_average": dynamic_average(steps_per_epoch=NUM_STEPS // 10),
  "lagging": lagging(),
}
figure = Figure(figsize=(10, 3), dpi=150, layout="constrained")
for axis, (name, function) in zip(figure.subplots(1, 3), ADAPTIVE.items(), strict=True):
  weights = trace(function)
  for term in ("audio_speech", "visual_vocalizing", "audio_visual_speech"):
    axis.plot(weights[:, TERMS.index(term)], label=term.replace("_", " "))
  axis.set_title(name)
  axis.set_xlabel("step")
  axis.set_ylim(bottom=0.0)
figure.axes[0].set_ylabel("loss weight")
figure.axes[0].legend(frameon=False, fontsize="small")
figure.savefig(FOLDER / "adaptive.png")
display(Image(FOLDER / "adaptive.png", width=900))

# %% [markdown]
# ## A small sweep
#
# A sweep trains every setting with every seed as one program: the training step is mapped over its members by `vmap`.
# Each member is a run in a folder of its own, as if it had been trained alone. A setting is a value of
# `config.loss_weights`; "module:function" names one of your own, and `__main__` is this notebook.
#
# The data are a minute of simulated video for training and half a minute for validation, and the network is the small
# one, with face images of 64 x 64. This shows how sweeps are made. **Which setting is better cannot be read from it**:
# F is event-based, onsets only, with a collar of 0.5 s (protocol `closed`), on a single recording of 30 s, after a
# few dozen steps. The last line compares steps a second with those of one run alone; on a CPU, which one run fills
# already, there may be no gain.

# %%
from attavvad_jax import config as config_lib
from attavvad_jax.configs import demo
from attavvad_jax.datasets.prepare import prepare_simulated
from attavvad_jax.experiments.plan import BUDGETS
from attavvad_jax.training.sweep import describe, sweep

budget = BUDGETS["smoke" if QUICK else "small"]  # face images and networks smaller than the paper's
config = demo.get_config()
config.crop.update(budget.crop)
config.model.update(budget.models["att_avvad"])
config.num_epochs = EPOCHS
config.log_every_steps = 2
summary = prepare_simulated(FOLDER / "data", config_lib.data_spec(config), "live", MINUTES, seed=DATA_SEED)
print(summary)

# %%
config.data = str(summary.path)
result = sweep(config, FOLDER / "sweep", SETTINGS, SEEDS)
print(describe(result))

# %% [markdown]
# What weights the terms had, as the runs logged them: of each setting the first seed. In so few steps they have hardly
# begun to move where their optimizer is slow, as that of `uncertainty` is by default.

# %%
for member, _ in result.best:
  if member.seed == SEEDS[0]:
    path = FOLDER / f"{member.workdir.name}.png"
    plot_weights(member.workdir, path=path)
    display(Markdown(f"`{member}`"), Image(path, width=900))

# %% [markdown]
# From a terminal: `attavvad train --config.loss_weights=package.module:function` for one run, and
# `attavvad sweep --settings=1/1/1,1/1/.5,uncertainty --seeds=1,2,3` for many.
