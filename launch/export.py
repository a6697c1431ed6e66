"""A checkpoint as programs that run without this package: StableHLO (CPU, CUDA, TPU) and ONNX.

python -m launch.export --checkpoint=runs/small --output=programs/small --video=clip.mp4

Each is compared with the network, on random blocks and on the video's, before it is written. Needs the extra `export`.
"""

from absl import flags

from launch import app

_CHECKPOINT = flags.DEFINE_string("checkpoint", "shipped", "What training wrote; or the weights of the package.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the programs; new or empty.", required=True)
_VIDEO = flags.DEFINE_string("video", None, "A recording to compare on; a simulated performance if not given.")
_FORMATS = flags.DEFINE_list("formats", ["stablehlo", "onnx"], "Which programs.")


def main():
  from attavvad_jax.export.programs import export_detector

  export_detector(_CHECKPOINT.value, _OUTPUT.value, video=_VIDEO.value, formats=_FORMATS.value)


if __name__ == "__main__":
  app.run(main)
