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
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/attavvad-jax/attavvad_jax/blob/main/colab/paper.ipynb)
#
# # The paper, step by step
#
# Hou et al., *Attention-based cross-modal fusion for audio-visual voice activity detection in musical video streams*,
# Interspeech 2021: this notebook shows each equation with the code that computes it and the shapes of the results, on
# blocks of a simulated performance. It then trains a network briefly and examines what attention and fusion do inside
# it. It takes less than five minutes on two CPU cores. It does not reproduce the paper's results, because the paper's
# data are private.

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
# %pip install -e "..[simulation,reproduce]"

# %%
import sys

sys.path.insert(0, "..")  # a running kernel does not see a newly installed package

from attavvad_jax.machine import prepare_xla

prepare_xla()  # before importing jax: faster convolutions on CPUs, and a cache of compiled programs

# %% [markdown]
# ## Settings
#
# The network is the paper's with half of the filters and with face images of 64 x 64 instead of 450 x 300, so that it
# trains in one to two minutes on a CPU.

# %%
import tempfile

from attavvad_jax import config as config_lib
from attavvad_jax.configs import att_avvad, demo
from attavvad_jax.experiments.plan import BUDGETS

QUICK = "ATTAVVAD_QUICK" in os.environ  # set by the tests
MINUTES = {"train": 8.0, "validation": 1.0, "test": 4.0}  # minutes of simulated video
if QUICK:
  MINUTES = dict.fromkeys(MINUTES, 0.5)
EPOCHS = 1 if QUICK else 4
BLOCKS_PER_EVENT = 5 if QUICK else 40  # number of blocks in the figures of attention and embeddings
SEED = 1  # seed of the data and of the choice of blocks
FOLDER = Path(tempfile.mkdtemp())

budget = BUDGETS["smoke" if QUICK else "small"]
config = demo.get_config()
config.crop.update(budget.crop)
config.model.update(budget.models["att_avvad"])
config.num_epochs = EPOCHS
spec = config_lib.data_spec(config)

# %% [markdown]
# ## The blocks
#
# The network decides three times a second, once for each *block*: 352 ms of audio, which are 15 audio frames, and three
# images of the performer's face. The performances are simulated with exact labels; the splits share no voice, face,
# tune or place.

# %%
from attavvad_jax.datasets.prepare import prepare_simulated

summary = prepare_simulated(FOLDER / "data", spec, "live", MINUTES, seed=SEED)
print(summary)

# %% [markdown]
# This is a batch of the first 16 blocks of the test split. The axes are B blocks, S samples, T audio frames, F mel
# bands, N images, H height, W width, E events, D embedding.

# %%
from attavvad_jax.datasets.loader import PreparedData, batches_in_order
from attavvad_jax.datasets.records import to_example
from attavvad_jax.timeline import EVENTS

data = PreparedData(summary.path)
source = data.source("test")
batch = next(batches_in_order([to_example(source[position], data.spec) for position in range(16)], 16))
for name, values in batch.items():
  print(f"{name:<12}{values.dtype!s:<7}{' x '.join(map(str, values.shape))}")

# %% [markdown]
# ## The inputs of the network
#
# The audio input is 64 mel bands in dB, from the power spectrum of each frame, with a Hamming window of 44 ms and 50 %
# overlap:
#
# $$X_{t,f} = 10 \log_{10} \sum_k M_{f,k} \, |\mathrm{STFT}(x)_{t,k}|^2$$
#
# The figure shows one block and its three images, which are cut out around the face:

# %%
from IPython.display import Image, display
import jax
import jax.numpy as jnp
from matplotlib.figure import Figure
import numpy as np

from attavvad_jax.features.log_mel import log_mel

shown = int(np.argmax(batch["image_mask"].all(axis=1)))  # the first block whose images all show a face
decibels = np.asarray(log_mel(jnp.asarray(batch["waveform"]), spec.clock))  # [B,T,F]

figure = Figure(figsize=(10, 2.8), dpi=150, layout="constrained")
axes = figure.subplots(1, 1 + spec.clock.images_per_block, width_ratios=[2] + [1] * spec.clock.images_per_block)
panel = axes[0].imshow(decibels[shown].T, origin="lower", aspect="auto")
axes[0].set_title(f"log-mel of a block of {EVENTS[batch['label'][shown]]}, dB")
axes[0].set_xlabel("audio frame")
axes[0].set_ylabel("mel band")
figure.colorbar(panel, ax=axes[0])
for axis, image in zip(axes[1:], batch["images"][shown], strict=True):
  axis.imshow(image, cmap="gray", vmin=0, vmax=255)
  axis.set_axis_off()
figure.savefig(FOLDER / "block.png")
display(Image(FOLDER / "block.png", width=900))

# %% [markdown]
# The log-mel is scaled to about [-1, 1] by constants, $(X + 40) / 60$, and each image is scaled from its own minimum
# and maximum to [0, 1]. An image without a detected face is masked. `network_inputs` does this in training and in
# detection.

# %%
from attavvad_jax.features.front_end import network_inputs

inputs = network_inputs(batch, spec.clock)
for name, values in zip(("log_mel [B,T,F]", "images [B,N,H,W]", "image_mask [B,N]"), inputs, strict=True):
  print(f"{name:<18}{' x '.join(map(str, values.shape))}, from {float(values.min()):.2f} to {float(values.max()):.2f}")

# %% [markdown]
# ## The network
#
# The network is built as in training, with fresh parameters. jax derives the output shapes of its modules without
# computing any values.

# %%
from attavvad_jax.checkpoints import leaf_shapes
from attavvad_jax.training.loop import train
from attavvad_jax.training.setup import set_up

config.data = str(summary.path)
setup = set_up(config)
model, state = setup.model, setup.create_state(batch)


def capture(variables, *inputs):
  """Returns the outputs of the network and of all its modules."""
  return model.apply(variables, *inputs, train=False, capture_intermediates=True, mutable=["intermediates"])


_, captured = jax.eval_shape(capture, state.variables, *inputs)
shapes = {name.replace("/__call__/[0]", ""): shape for name, shape in leaf_shapes(captured["intermediates"]).items()}


def show_shapes(*modules):
  """Prints the output shapes of some modules and of their submodules."""
  for name, shape in shapes.items():
    if name.startswith(modules) and "[" not in name:
      print(f"{name:<32}{' x '.join(map(str, shape))}")


# %% [markdown]
# ### Blocks of gated convolutions (Section 2.1)
#
# The log-mel passes through four blocks. In each block, one convolution gates another, and a strided convolution with a
# ReLU follows:
#
# $$h = \mathrm{BN}(W * x + b) \odot \sigma(\mathrm{BN}(V * x + c)), \qquad
# y = \mathrm{ReLU}(\mathrm{BN}(U *_{\mathrm{strided}} h + d))$$
#
# $W$ and $V$ are computed as one convolution with twice the filters; `gated_norm` splits its output. The time axis keeps
# its 15 frames; every block halves the frequency axis, from 64 to 4.

# %%
show_shapes("audio/block_")

# %% [markdown]
# ### A head for each event: gated GRUs and the core vectors (Section 2.1)
#
# The remaining bands and filters of a frame form one vector. For each event $i$, two GRUs read the 15 frames. The last
# state of one, gated by that of the other, gives the core representation vector $q_i$, and $q_i$ gives the probability
# of the event from audio alone:
#
# $$g_i = \mathrm{BN}(\mathrm{GRU}_i(y)_T) \odot \sigma(\mathrm{BN}(\mathrm{GRU}'_i(y)_T)), \qquad
# q_i = \sigma(\mathrm{BN}(A_i g_i + a_i)), \qquad p_i^{a} = \sigma(u_i^T q_i + v_i)$$
#
# The eight GRUs run as one, [B, 2E, units]; $q$ is [B,E,D].

# %%
show_shapes("audio/gru", "audio/embedding", "audio/logits")

# %% [markdown]
# ### The images: the vocalization vector $K$ (Section 2.2)
#
# The three images are the channels of one input, which passes through four blocks like those above, with strides in
# both directions. The flattened result $z$ gives $K$ and the probability that the performer vocalizes:
#
# $$K = \sigma(\mathrm{BN}(B z + b)), \qquad p^{v} = \sigma(u^T K + v)$$
#
# $K$ is 0 in a block without any image; the paper does not define this case.

# %%
show_shapes("visual/")

# %% [markdown]
# ### Fusion by attention (Section 2.3)
#
# With $Q = [q_1, q_2, q_3, q_4]$ and $d_k$ the dimension of $K$, Eq. 1 is
#
# $$ATT = \mathrm{Softmax}(Q^T K / \sqrt{d_k}) \tag{1}$$
#
# Each event's vector is multiplied by its factor, and a separate head decides from the product:
#
# $$p_i^{av} = \sigma(u_i^T \, \mathrm{ReLU}(\mathrm{BN}(C_i (ATT_i \, q_i) + c_i)) + v_i)$$
#
# (The authors' released code omits $1 / \sqrt{d_k}$; this implementation follows the paper.)

# %%
show_shapes("fusion/")

# %% [markdown]
# The next cell computes Eq. 1 in four lines of NumPy and compares it with the untrained network:

# %%
outputs = jax.jit(lambda variables, *inputs: model.apply(variables, *inputs, train=False))(state.variables, *inputs)
q, k = np.asarray(outputs.audio_embeddings), np.asarray(outputs.visual_embedding)  # [B,E,D], [B,D]
scores = np.einsum("bed,bd->be", q, k) / np.sqrt(k.shape[-1])
attention = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
fused = attention[..., None] * q
print(f"largest difference in attention: {np.abs(attention - outputs.attention).max():.1e}")
print(f"largest difference in the fused vectors: {np.abs(fused - outputs.fused_embeddings).max():.1e}")
factors = ", ".join(f"{event} {factor:.3f}" for event, factor in zip(EVENTS, attention[shown], strict=True))
print(f"attention in the block above: {factors}")

# %% [markdown]
# ### Number of parameters
#
# The next cell counts the parameters of this small network and of the paper's, with its images of 450 x 300. Shapes are
# enough for the larger network, which is not built.

# %%


def count_parameters(params):
  """Counts the parameters of each part of a network, and their total."""
  parts = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in params.items()}
  return {**parts, "altogether": sum(parts.values())}


paper_config = att_avvad.get_config()
paper_spec = config_lib.data_spec(paper_config)
images = (1, paper_spec.clock.images_per_block, paper_spec.crop.height_px, paper_spec.crop.width_px)
paper_inputs = (
  jax.ShapeDtypeStruct((1, *inputs[0].shape[1:]), jnp.float32),
  jax.ShapeDtypeStruct(images, jnp.float32),
  jax.ShapeDtypeStruct(images[:2], bool),
)
paper_model = config_lib.model(paper_config)
paper_variables = jax.eval_shape(
  lambda *inputs: paper_model.init(jax.random.key(0), *inputs, train=False), *paper_inputs
)
for title, params in (("here", state.params), ("the paper's", paper_variables["params"])):
  print(f"{title:<12}{', '.join(f'{name} {number:,}' for name, number in count_parameters(params).items())}")

# %% [markdown]
# ## The loss
#
# The loss is a weighted sum of nine binary cross-entropies, one for each output of the network (Eq. 2):
#
# $$L = \lambda_1 L_{a-sil} + \lambda_2 L_{a-spe} + \lambda_3 L_{a-sin} + \lambda_4 L_{a-oth} + \lambda_5 L_{v-voc} +
# \lambda_6 L_{av-sil} + \lambda_7 L_{av-spe} + \lambda_8 L_{av-sin} + \lambda_9 L_{av-oth} \tag{2}$$
#
# $L_{v-voc}$ separates speech or singing of the performer from everything else. Its mean is over the blocks with an
# image.

# %%
from attavvad_jax.losses import TERMS, binary_cross_entropies, mean_terms, total_loss

terms = binary_cross_entropies(
  outputs, jnp.asarray(batch["label"]), jnp.asarray(batch["image_mask"]), jnp.asarray(batch["block_mask"])
)
for number, (name, mean) in enumerate(mean_terms(terms).items(), start=1):
  print(f"lambda_{number}  {name:<22}{float(mean):.3f}")
print(f"L, where every lambda is 1: {float(total_loss(terms, dict.fromkeys(TERMS, 1.0))):.3f}")

# %% [markdown]
# ## A short training
#
# The next cell trains with every weight of Eq. 2 at 1 and Adam with a learning rate of 0.001, for a few epochs over
# minutes of simulated video, and keeps the checkpoint with the highest F on validation. It then scores this checkpoint
# on the test split with the paper's protocol. The data are minutes of video with one seed, in one run. The scores show
# how far this training came and say nothing about real footage.

# %%
from attavvad_jax.evaluation.run import evaluate_checkpoint

run = train(config, FOLDER / "run")
print(evaluate_checkpoint(run, summary.path, "test", "paper"))

# %% [markdown]
# ## Attention after training
#
# The figure shows the factors of Eq. 1 for random blocks of the test split, with equal numbers of each true event if
# the split has enough. Uniform attention would be 0.25 everywhere. The table below the figure gives the means, with a
# row for each true event and a column for each factor.

# %%
from attavvad_jax.reports.samples import draw_blocks

network, blocks = draw_blocks(run, summary.path, "test", [[event] for event in EVENTS], BLOCKS_PER_EVENT, SEED)
attention = np.asarray(network.outputs(blocks).attention)  # [B,E]
labels = np.array([EVENTS[block["label"]] for block in blocks])
present = [event for event in EVENTS if event in labels]

figure = Figure(figsize=(10, 2.6), dpi=150, layout="constrained")
axis = figure.subplots()
panel = axis.imshow(attention.T, aspect="auto", interpolation="nearest")
figure.colorbar(panel, ax=axis, label="attention")
axis.set_yticks(range(len(EVENTS)), EVENTS)
positions = [np.flatnonzero(labels == event) for event in present]
axis.set_xticks([position.mean() for position in positions], [f"truly {event}" for event in present])
for position in positions[1:]:
  axis.axvline(position[0] - 0.5, color="white", linewidth=2)
axis.set_title(f"Eq. 1 in {len(blocks)} blocks of the test split: {network.name}", fontsize="medium")
figure.savefig(FOLDER / "attention.png")
display(Image(FOLDER / "attention.png", width=900))

print(f"{'':<10}{'blocks':>8}{''.join(f'{event:>10}' for event in EVENTS)}")
for event in present:
  means = attention[labels == event].mean(axis=0)
  print(f"{event:<10}{(labels == event).sum():>8}{''.join(f'{mean:>10.3f}' for mean in means)}")

# %% [markdown]
# ## Figure 3: the core vectors before and after fusion
#
# Each point is a block: its four core vectors, concatenated and mapped to two dimensions by t-SNE. In the paper's
# figure, the events separate more clearly after fusion. Since t-SNE preserves little more than neighborhoods, the
# silhouettes are computed in the space of the network: 1 if the events are far apart, 0 if they overlap, below 0 if
# they are mixed.

# %%
from attavvad_jax.reports.embeddings import figure_3, figure_4

figure, separation = figure_3(run, summary.path, "test", BLOCKS_PER_EVENT, SEED)
figure.savefig(FOLDER / "figure_3.png")
display(Image(FOLDER / "figure_3.png", width=900))
print(separation)

# %% [markdown]
# ## Figure 4: acoustic and visual vectors
#
# The figure shows the core vector of each block's true event and, in black, the visual vector $K$, filled if the
# performer vocalizes. In the paper, the visual vectors lie on the side of speech and singing. The number below measures
# this: how many visual vectors have a vector of speech or singing as their nearest neighbor, in blocks in which the
# performer vocalizes and in other blocks.

# %%
figure, alignment = figure_4(run, summary.path, "test", BLOCKS_PER_EVENT, SEED)
figure.savefig(FOLDER / "figure_4.png")
display(Image(FOLDER / "figure_4.png", width=700))
print(alignment)

# %% [markdown]
# `attavvad reproduce` makes all tables and figures of the paper, with several seeds and their spread, on simulated
# performances or on MAVC100.
