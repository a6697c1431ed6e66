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
# # Loss weights: numbers, schedules, and your own functions
#
# The loss of the network is a weighted sum of nine terms. A weight function computes the weights from the step, the
# losses and its own state; weight functions compose like optax's transformations. This notebook builds and plots some,
# defines a new one, and trains a few settings side by side as one program. It takes less than five minutes on two CPU
# cores, most of them in the last part.

# %%
import os
from pathlib import Path
import subprocess

if not Path("../setup.py").exists():  # Colab opens the notebook without the repository
  if not Path("attavvad_jax").exists():
    address = "https://github.com/attavvad-jax/attavvad_jax"
    clone = subprocess.run(["git", "clone", "-q", "--depth", "1", address], capture_output=True, text=True)
    if clone.returncode:
      raise RuntimeError(f"{address} could not be fetched: {clone.stderr.strip()}")
  os.chdir("attavvad_jax/colab")

# %% [markdown]
# The next cell installs missing packages and keeps compatible versions, because the running kernel has some of them in
# memory. If pip reports below that it replaced an imported package, restart the kernel once.

# %%
# %pip install -e "..[simulation]"

# %%
import sys

sys.path.insert(0, "..")  # a running kernel does not see a newly installed package

from attavvad_jax.machine import prepare_xla

prepare_xla()  # before importing jax: faster convolutions on CPUs, and a cache of compiled programs

# %% [markdown]
# ## Settings
#
# All settings but `NUM_STEPS` belong to the sweep at the end.

# %%
import tempfile

QUICK = "ATTAVVAD_QUICK" in os.environ  # set by the tests
NUM_STEPS = 300 if QUICK else 1500  # steps to plot
MINUTES = {"train": 0.5 if QUICK else 1.0, "validation": 0.5}  # minutes of simulated video
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
# Each $L$ is a binary cross-entropy: four for the outputs of the audio branch, one for the output of the visual branch,
# and four for the outputs after fusion. The code names them:

# %%
from attavvad_jax.losses import TERMS

for number, name in enumerate(TERMS, start=1):
  print(f"lambda_{number}  {name}")

# %% [markdown]
# ## A weight function
#
# A weight function is a pair: `init()` returns its initial state, and `update(step, state, losses)` returns the nine
# weights and the next state. `losses` holds the means of the nine terms at that step; functions that do not use them
# accept empty losses.
#
# The paper compares six constant settings (Table 1), written audio/visual/audio-visual. These names are valid values of
# `config.loss_weights`:

# %%
from IPython.display import Image, Markdown, display
import jax
import jax.numpy as jnp

from attavvad_jax.loss_weights import TABLE_1, Losses, LossWeights, from_name


def weights_at(function, step=0):
  """Returns the nine weights at a step, for a function that does not use losses."""
  weights, _ = function.update(jnp.asarray(step), function.init(), Losses({}))
  return [float(weights[name]) for name in TERMS]


def show_table(functions):
  """Displays a row of nine weights for each named function."""
  rows = [f"| | {' | '.join(name.replace('_', ' ') for name in TERMS)} |", f"| :--- |{' ---: |' * len(TERMS)}"]
  for name, function in functions.items():
    rows.append(f"| `{name}` | {' | '.join(f'{weight:g}' for weight in weights_at(function))} |")
  display(Markdown("\n".join(rows)))


show_table({setting: from_name(setting) for setting in TABLE_1})

# %% [markdown]
# ## Static weights
#
# Static weights are one number for each group of terms, for each event (in the audio branch and after fusion), or for
# each term. Weights that are not given are 1. This example reduces the weight of silence, which is rare, and raises
# that of singing:

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
# Every number may also be a function of the step: one of the following, an optax schedule, or any function that jax can
# trace.

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
  """Returns the values of a schedule at the first steps."""
  return jax.vmap(lambda step: jnp.asarray(schedule(step), jnp.float32))(jnp.arange(NUM_STEPS))


figure = Figure(figsize=(10, 3.6), dpi=150, layout="constrained")
for axis, (name, schedule) in zip(figure.subplots(2, 4, sharex=True, sharey=True).flat, SCHEDULES.items(), strict=True):
  axis.plot(values_of(schedule))
  axis.set_title(name, fontsize="small")
figure.savefig(FOLDER / "schedules.png")
display(Image(FOLDER / "schedules.png", width=900))

# %% [markdown]
# `plot_weights` plots all nine weights of a function over the steps, with one panel for each group. Here each group has
# its own schedule:

# %%
from attavvad_jax.reports.curves import plot_weights


def show(function, name):
  """Plots the nine weights over the first steps."""
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
# `join` runs functions one after another; each counts steps from its own start. This curriculum trains the audio branch
# first, then the visual branch, then everything. A run uses it with
# `--config.loss_weights=attavvad_jax.configs.curriculum:audio_then_visual_then_joint`.

# %%
from attavvad_jax.loss_weights import after, choose, clip, join, normalize, scale

hear = per_group(visual=0.0, audio_visual=0.0)
see = per_group(audio=0.0, audio_visual=0.0)
curriculum = join([hear, see, per_group()], [NUM_STEPS // 3, 2 * NUM_STEPS // 3])
show(curriculum, "curriculum")

# %% [markdown]
# While only the visual branch trains, one of the nine terms remains and the loss is small. `normalize` keeps the sum of
# the weights constant, here at 9:

# %%
show(normalize(curriculum), "normalized")

# %% [markdown]
# `scale` multiplies the weights by a number or a schedule, `clip` limits them to a range, and `after` is a `join` of
# two functions: first constant ones or another function, then this one.

# %%
fading = scale(per_event(singing=2.0), linear(1.0, 0.0, NUM_STEPS))
show(after(NUM_STEPS // 4, clip(fading, low=0.25, high=1.5)), "combined")

# %% [markdown]
# `choose` selects one of several functions by an index that may be traced, so one compiled program serves all of them.
# The sweep below maps over settings this way. This example evaluates one weight at three indices at once:

# %%
options = [from_name(setting) for setting in TABLE_1[:3]]


def visual_weight(index):
  """Returns the weight of the visual term in the option at `index`."""
  chosen = choose(options, index)
  weights, _ = chosen.update(jnp.asarray(0), chosen.init(), Losses({}))
  return weights["visual_vocalizing"]


print(TABLE_1[:3], jax.vmap(visual_weight)(jnp.arange(3)))

# %% [markdown]
# ## Your own function, and functions that use the losses
#
# The package includes three: `uncertainty` (Kendall et al. 2018), `dynamic_average` (Liu et al. 2019) and `grad_norm`
# (Chen et al. 2018), which also needs the gradient norms of the terms from the training step. The cell below defines a
# new one: weights in proportion to each loss, averaged over the last steps, so that terms that lag behind weigh more.
# If the network lacks a branch, its terms are absent; a term without any valid block in the batch is NaN.

# %%


def lagging(rate=0.05):
  """Returns a function whose weights are proportional to running means of the losses and sum to 9."""

  def init():
    return jnp.full(len(TERMS), jnp.log(2.0), jnp.float32)  # [9], the loss at probability 0.5

  def update(step, state, losses):
    means = jnp.stack([jnp.asarray(losses.means.get(name, jnp.nan), jnp.float32) for name in TERMS])
    state = jnp.where(jnp.isnan(means), state, (1 - rate) * state + rate * means)
    return dict(zip(TERMS, state, strict=True)), state

  return normalize(LossWeights(init, update))


# %% [markdown]
# Such a function can be examined without a network. The following losses are artificial: all start at the loss of
# probability 0.5; those of the audio branch fall fast, the visual one hardly falls, and those after fusion lie in
# between.

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
  """Returns the weights over the first steps for the artificial losses. -> [steps, 9]."""

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
# A sweep trains every setting with every seed as one program: `vmap` maps the training step over its members. Each
# member is a run in its own folder, as if it had been trained alone. A setting is a value of `config.loss_weights`;
# "module:function" names your own function, and `__main__` is this notebook.
#
# The data are one minute of simulated video for training and half a minute for validation. The network is the small
# one, with face images of 64 x 64. This example shows how to run a sweep. **It does not show which setting is better**:
# F is event-based, onset only, with a collar of 0.5 s (protocol `closed`), on a single recording of 30 s, after a few
# dozen steps. The last line compares the steps per second with those of a single run; on a CPU, which a single run
# already saturates, there may be no gain.

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
# These are the weights that the runs logged, for the first seed of each setting. In so few steps, weights with a slow
# optimizer, such as those of `uncertainty` by default, have hardly moved.

# %%
for member, _ in result.best:
  if member.seed == SEEDS[0]:
    path = FOLDER / f"{member.workdir.name}.png"
    plot_weights(member.workdir, path=path)
    display(Markdown(f"`{member}`"), Image(path, width=900))

# %% [markdown]
# In a terminal, `attavvad train --config.loss_weights=package.module:function` trains one run, and
# `attavvad sweep --settings=1/1/1,1/1/.5,uncertainty --seeds=1,2,3` trains many.
