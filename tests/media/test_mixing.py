"""Audio of many channels, synthesized sample by sample, against what a listener hears of it."""

from fractions import Fraction
import re

import av
from media_files import write_media
import numpy as np
import pytest

from attavvad_jax.blocks import Crop
from attavvad_jax.media import Tracks, probe, read_audio
from attavvad_jax.media.joiner import AudioJoiner
from attavvad_jax.media.mixing import WINDOW_S, Passage, describe
from attavvad_jax.recordings import Report, read_blocks
from attavvad_jax.recordings.sources import Source
from attavvad_jax.timeline import Clock

RATE_HZ = 16000
DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}
FULL = {"u8": 128, "s16": 2**15, "s32": 2**31, "flt": 1, "dbl": 1}


def voice(seconds=2.0, rate_hz=RATE_HZ, hz=140.0, seed=0):
  """Returns harmonics of a gliding fundamental, in syllables of 0.2 s, with RMS 0.1."""
  rng = np.random.default_rng(seed)
  time_s = np.arange(round(seconds * rate_hz)) / rate_hz
  phase = 2 * np.pi * hz * (time_s + 0.05 * np.sin(2 * np.pi * 0.7 * time_s))
  levels = rng.uniform(0.2, 1, 25) / np.arange(1, 26) ** 0.5
  audio = sum(level * np.sin(k * phase + k) for k, level in enumerate(levels, 1) if k * hz * 1.3 < rate_hz / 2)
  audio = audio * (0.2 + np.abs(np.sin(2 * np.pi * 2.5 * time_s)))
  return 0.1 * audio / audio.std()


def music(seconds=2.0, rate_hz=RATE_HZ, seed=1):
  """Returns chords of decaying tones, with RMS 0.1."""
  rng = np.random.default_rng(seed)
  time_s = np.arange(round(seconds * rate_hz)) / rate_hz
  audio = np.zeros(len(time_s))
  for note in range(round(seconds * 4)):
    after_s = time_s - note / 4
    for hz in 220 * 2 ** (rng.integers(0, 24, 3) / 12):
      audio += np.where(after_s >= 0, np.exp(-3 * after_s.clip(0)) * np.sin(2 * np.pi * hz * after_s), 0)
  return 0.1 * audio / audio.std()


def noise(seconds=2.0, rate_hz=RATE_HZ, seed=2):
  return 0.1 * np.random.default_rng(seed).normal(size=round(seconds * rate_hz))


def frames(channels, *, rate_hz=RATE_HZ, format=None, layout="stereo", sizes=(1024,)):
  """Yields frames of audio [C,n] with full scale at 1, of the given sizes in turn."""
  format = format or ("fltp" if len(channels) < 8 else "flt")  # PyAV supports at most seven planes
  name = format.removesuffix("p")
  full, zero = FULL[name], 128 if name == "u8" else 0
  stored = np.stack(channels) * full
  if full > 1:
    stored = np.clip(np.rint(stored), -full, full - 1) + zero
  stored, first = stored.astype(DTYPES[name]), 0
  while first < stored.shape[1]:
    piece = stored[:, first : first + sizes[0]]
    piece = piece if format.endswith("p") else piece.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format=format, layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, first, Fraction(1, rate_hz)
    yield frame
    first += sizes[0]
    sizes = (*sizes[1:], sizes[0])


def join(pieces, channels="mix"):
  """Returns the mono audio of frames, in -1..1 at 16 kHz, the warnings, and the passages that cancel."""
  warnings, passages = [], []
  joiner = AudioJoiner(RATE_HZ, Fraction(0), warnings, channels, passages)
  audio = [samples for frame in pieces for samples in joiner.push(frame)]
  return np.concatenate([*audio, *joiner.finish()]) / 2**15, warnings, passages


def resampled(pieces):
  """Resamples frames to mono by FFmpeg alone."""
  resampler = av.AudioResampler("s16", "mono", RATE_HZ)
  out = [out for frame in [*pieces, None] for out in resampler.resample(frame) if out is not None]
  return np.concatenate([frame.to_ndarray()[0] for frame in out]) / 2**15


def panned(pieces, pan):
  """Mixes frames by FFmpeg's filter `pan`, which takes each weight."""
  pieces = list(pieces)
  graph = av.filter.Graph()
  source = graph.add_abuffer(
    sample_rate=RATE_HZ, format=pieces[0].format.name, layout=pieces[0].layout.name, time_base=Fraction(1, RATE_HZ)
  )
  graph.link_nodes(source, graph.add("pan", f"mono|c0={pan}"), graph.add("abuffersink")).configure()
  out = []
  for frame in [*pieces, None]:
    graph.push(frame)
    while True:
      try:
        out.append(graph.pull().to_ndarray()[0])
      except (av.BlockingIOError, av.EOFError):
        break
  return np.concatenate(out)


def delayed(audio, samples):
  return np.concatenate([np.zeros(samples), audio[: len(audio) - samples]])


def rms(audio):
  return np.sqrt(np.mean(np.square(audio, dtype=float)))


def gain_db(mono, wanted):
  """Returns the gain in dB of the signal `wanted` within `mono`."""
  wanted = wanted[: len(mono)]
  return 20 * np.log10(max(abs(mono[: len(wanted)] @ wanted) / (wanted @ wanted), 1e-9))


BASS = np.sin(2 * np.pi * 60 * np.arange(2 * RATE_HZ) / RATE_HZ) / 2
ORDINARY = {
  "the same in both": (voice(), voice()),
  "a voice, and noise": (voice() + noise(seed=3) / 5, voice() + noise(seed=4) / 5),
  "noise": (noise(seed=3), noise(seed=4)),
  "two voices, left and right": (voice(), voice(hz=190, seed=5)),
  "accompaniment left, voice right": (music(), voice()),
  "one silent": (voice(), 0 * voice()),
  "panned": (voice() + 0.3 * music(), 0.3 * voice() + music()),
  "microphones apart": (voice(), delayed(voice(), 5)),
  "much bass": (BASS + music(), BASS + music(seed=6)),
  "a constant in one": (voice() + 0.3, voice()),
  "silence": (0 * voice(), 0 * voice()),
  "inaudible noise": (1e-4 * noise(), -1e-4 * noise()),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_stereo_is_the_mean_to_the_bit(name):
  mono, warnings, passages = join(frames(ORDINARY[name]))
  np.testing.assert_array_equal(mono, resampled(frames(ORDINARY[name])))
  assert (warnings, passages) == ([], [])


@pytest.mark.parametrize("format", ["u8", "s16", "s16p", "s32", "s32p", "flt", "fltp", "dbl", "dblp"])
@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_mean_is_the_same_to_the_bit_in_every_format(format, rate_hz):
  signals = [voice(0.7, rate_hz), music(0.7, rate_hz)]
  make = lambda sizes: frames(signals, rate_hz=rate_hz, format=format, sizes=sizes)  # noqa: E731
  np.testing.assert_array_equal(join(make((1000, 37)))[0], resampled(make((1152,))))


OUT_OF_PHASE = {
  "inverted": (voice(), -voice()),
  "inverted and softer": (voice(), -0.6 * voice()),
  "inverted, softer left": (0.6 * voice(), -voice()),
  "inverted and late by 0.1 ms": (voice(2.0, 48000), -delayed(voice(2.0, 48000), 5)),
  "inverted, a constant in one": (voice() + 0.3, -voice()),
  "inverted, with noise": (voice() + noise(seed=3) / 10, -voice() + noise(seed=4) / 10),
  "inverted, beside music in phase": (music(4.0) + voice(4.0), music(4.0) - voice(4.0)),
  "inverted, over louder bass": (
    voice() + np.sin(np.arange(32000) / 60) / 2,
    np.sin(np.arange(32000) / 60) / 2 - voice(),
  ),
}


@pytest.mark.parametrize("name", OUT_OF_PHASE)
def test_voice_out_of_phase_is_heard_as_loud_as_in_its_channel(name):
  left, right = OUT_OF_PHASE[name]
  rate_hz = 48000 if "late" in name else RATE_HZ
  mono, _, passages = join(frames((left, right), rate_hz=rate_hz))
  channel = {"left": left, "right": right}[passages[-1].channel]
  assert rms(channel) >= 0.99 * max(rms(left), rms(right))
  wanted = resampled(frames((channel, channel), rate_hz=rate_hz))
  # Beside other audio, the cancellation is detected after a while.
  late = RATE_HZ * (20 if "music" in name else 10 if "late" in name else 1) // 10
  assert rms(mono[late:] - wanted[late:]) < 0.02 * rms(wanted)
  assert rms(resampled(frames((left, right), rate_hz=rate_hz)) - wanted) > 0.05


@pytest.mark.parametrize("format", ["u8", "s16", "s32p", "flt", "fltp", "dbl"])
def test_replacement_of_the_mean_is_right_in_every_format(format):
  mono, _, _ = join(frames((voice(), -voice()), format=format))
  np.testing.assert_allclose(mono[1000:-1000], voice()[1000:-1000], atol=0.01 if format == "u8" else 1e-4)


def test_full_scale_samples_stay_at_full_scale():
  square = np.where(voice() > 0, 1.0, -1.0)
  mono, _, _ = join(frames((square, -square), format="s16"))
  assert mono[1000:].max() > 0.99
  assert mono[1000:].min() == pytest.approx(-1, abs=0.01)


def test_passage_out_of_phase_is_detected_and_reported():
  sign = np.where((np.arange(10 * RATE_HZ) / RATE_HZ % 10 >= 3) & (np.arange(10 * RATE_HZ) / RATE_HZ % 10 < 6), -1, 1)
  audio = voice(10.0)
  mono, _, passages = join(frames((audio, sign * audio)))
  (passage,) = passages
  assert passage.channel == "left"
  assert 3.0 <= passage.onset_s <= 3.5
  assert 6.0 <= passage.offset_s <= 7.0
  plain = resampled(frames((audio, sign * audio)))
  before, after = round(2.9 * RATE_HZ), round(7.1 * RATE_HZ)
  np.testing.assert_array_equal(mono[:before], plain[:before])
  np.testing.assert_array_equal(mono[after:], plain[after:])
  inside = slice(round(3.6 * RATE_HZ), before + 4 * RATE_HZ)
  assert rms(mono[inside] - audio[inside]) < 0.01 * rms(audio)
  # No clicks where the channel changes: steps between samples are no larger than in the voice itself.
  assert np.abs(np.diff(mono)).max() < 1.1 * np.abs(np.diff(audio)).max()
  assert f"from {passage.onset_s:.1f} to {passage.offset_s:.1f} s: the left channel" in describe(passages)


def test_speech_after_silence_is_heard_from_its_first_syllable():
  audio = np.concatenate([np.zeros(RATE_HZ), voice()])
  _, _, passages = join(frames((audio, -audio)))
  assert passages[0].onset_s <= 1.0 + WINDOW_S


def test_frame_sizes_do_not_change_the_result():
  signals = (np.concatenate([voice(), voice()]), np.concatenate([voice(), -voice()]))
  first, *others = (join(frames(signals, sizes=sizes)) for sizes in ((1024,), (160,), (1, 4000, 33), (64000,)))
  assert first[2]
  for other in others:
    np.testing.assert_array_equal(other[0], first[0])
    assert other[2] == first[2]


# Weights of BS.775 for a listener's left and right ear, halved.
SURROUND = {
  "2.1": "0.5*FL+0.5*FR",
  "3.0": "0.5*FL+0.5*FR+0.7071068*FC",
  "quad": "0.5*FL+0.5*FR+0.3535534*BL+0.3535534*BR",
  "5.0": "0.5*FL+0.5*FR+0.7071068*FC+0.3535534*BL+0.3535534*BR",
  "5.1": "0.5*FL+0.5*FR+0.7071068*FC+0.3535534*BL+0.3535534*BR",
  "5.1(side)": "0.5*FL+0.5*FR+0.7071068*FC+0.3535534*SL+0.3535534*SR",
  "7.1": "0.5*FL+0.5*FR+0.7071068*FC+0.3535534*BL+0.3535534*BR+0.3535534*SL+0.3535534*SR",
}


@pytest.mark.parametrize("layout", SURROUND)
def test_surround_is_mixed_by_bs775(layout):
  """FFmpeg's own filter gets the weights, with zero for the subwoofer."""
  count = av.AudioLayout(layout).nb_channels
  signals = [noise(0.5, seed=seed) for seed in range(count)]
  mono, _, passages = join(frames(signals, layout=layout))
  np.testing.assert_allclose(mono, panned(frames(signals, layout=layout), SURROUND[layout]), atol=3e-5)
  assert passages == []


@pytest.mark.parametrize(("layout", "channel"), [(layout, c) for layout in ("5.1", "7.1") for c in range(6)])
def test_voice_in_one_channel_of_many_is_heard(layout, channel):
  count = av.AudioLayout(layout).nb_channels
  signals = [np.zeros(2 * RATE_HZ)] * count
  signals[channel] = voice()
  mono, _, passages = join(frames(signals, layout=layout))
  assert gain_db(mono, voice()) > -9.1
  # The mix leaves out the subwoofer, so its channel replaces the mix.
  assert [passage.channel for passage in passages] == (["LFE"] if channel == 3 else [])


def test_rumble_of_the_subwoofer_does_not_replace_the_mix():
  signals = [np.zeros(2 * RATE_HZ)] * 6
  signals[2], signals[3] = voice(), np.sin(2 * np.pi * 50 * np.arange(2 * RATE_HZ) / RATE_HZ)
  mono, _, passages = join(frames(signals, layout="5.1"))
  np.testing.assert_allclose(mono, np.sqrt(0.5) * voice(), atol=1e-4)
  assert passages == []


@pytest.mark.parametrize("count", [2, 3, 4, 8, 16])
def test_voice_in_one_of_many_unnamed_channels_is_heard(count):
  """Recorders of many microphones write unnamed channels."""
  signals = [np.zeros(2 * RATE_HZ)] * count
  signals[count - 1] = voice()
  mono, _, _ = join(frames(signals, layout=f"{count} channels", format="s16"))
  assert gain_db(mono, voice()) > -9.1


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
@pytest.mark.parametrize("channels", ["left", "right", "side"])
def test_chosen_channel_is_used_alone(layout, channels):
  signals = [noise(0.5, seed=seed) for seed in range(av.AudioLayout(layout).nb_channels)]
  wanted = {"left": signals[0], "right": signals[1], "side": (signals[0] - signals[1]) / 2}[channels]
  mono, warnings, passages = join(frames(signals, layout=layout), channels)
  np.testing.assert_allclose(mono, wanted, atol=3e-5)
  assert (warnings, passages) == ([], [])


def test_mono_is_used_where_a_side_is_chosen():
  mono, warnings, _ = join(frames([voice()], layout="mono"), "right")
  np.testing.assert_allclose(mono, voice(), atol=3e-5)
  (warning,) = warnings
  assert re.search("mono.*no right channel", warning)


def test_number_of_channels_may_change_within_a_recording():
  stereo, surround = frames((voice(), voice())), frames([voice()] * 3, layout="3.0")

  def later():
    for frame in surround:
      frame.pts += 2 * RATE_HZ
      yield frame

  mono, _, _ = join([*stereo, *later()])
  assert len(mono) == 4 * RATE_HZ
  assert gain_db(mono[: 2 * RATE_HZ], voice()) == pytest.approx(0, abs=0.01)
  assert gain_db(mono[2 * RATE_HZ :], voice()) == pytest.approx(20 * np.log10(1 + 0.5**0.5), abs=0.01)


def test_passages_are_described_in_one_line():
  passages = [Passage(1, 2, "left"), Passage(5, 5.5, "left")]
  assert "from 1.0 to 2.0 s and from 5.0 to 5.5 s: the left channel" in describe(passages)
  assert "20 places, 10.0 s in all: the FC channel" in describe([Passage(float(i), i + 0.5, "FC") for i in range(20)])
  assert describe([Passage(1, 1.3, "left")]) is None


@pytest.fixture
def inverted(tmp_path):
  """Writes a file whose voice is out of phase from 2 s on."""
  audio = np.concatenate([voice(), -voice()])
  both = np.int16(np.stack([np.concatenate([voice(), voice()]), audio], 1) * 2**15)
  return write_media(tmp_path / "a.mkv", audio=both)


def test_report_lists_where_the_channels_cancel(inverted):
  report = Report()
  blocks = list(read_blocks(inverted, Clock(), Crop(16, 16), report=report))
  (passage,) = report.passages
  assert 2.0 <= passage.onset_s <= 2.4
  assert passage.offset_s == 4.0
  assert describe(report.passages) in report.warnings
  assert min(rms(block.waveform) for block in blocks) > 0.02 * 2**15


@pytest.mark.parametrize("channels", ["mix", "right"])
@pytest.mark.parametrize("prefix", ["", "file://"], ids=["file", "address"])
def test_stream_gives_the_audio_of_the_file(inverted, prefix, channels):
  tracks = Tracks(channels=channels)
  pieces = []
  with Source(f"{prefix}{inverted}", tracks=tracks).connect(RATE_HZ) as connection:
    while True:
      try:
        pieces.append(connection.get(5.0).samples)
      except EOFError:
        break
    reported = [warning for warning in connection.warnings if "the channels cancel from 2." in warning]
  wanted = np.concatenate(list(read_audio(inverted, RATE_HZ, info=probe(inverted, tracks))))
  np.testing.assert_array_equal(np.concatenate(pieces), wanted)
  assert len(reported) == (channels == "mix")
