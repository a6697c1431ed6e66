"""Converts a function on arrays to an ONNX graph: its jaxpr, operation by operation.

The first axis stays variable. Values that depend only on constants are computed during the conversion, and loops of a
fixed length are unrolled. The converter knows the operations of the networks and their front end; others raise an error
that names them.

The project has its own converter because the batch size must stay variable. jax2onnx (0.17.1) converts the shipped
detector for a fixed number of blocks and agrees with it to 6e-8, but fails if the first axis is symbolic
(`InconclusiveDimensionOperation`). Other converters need TensorFlow.

The Fourier transform is ONNX's DFT. A matrix product instead took about as long in ONNX Runtime (0.4 ms against 0.3 ms
for a block, 1.9 ms against 2.2 ms for eight, on busy cores). It halved the rounding error (3e-7 against 5e-7 of the
spectrum), which does not reach the scores, and its matrix takes 4 MB.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import string
from typing import Any

import jax
from jax.extend import core
import numpy as np

# The opset and the format version of ONNX 1.13 and ONNX Runtime 1.14.
_OPSET, _IR_VERSION = 18, 8
_INT_MIN = np.iinfo(np.int64).min

_ELEMENTWISE = {
  "abs": "Abs",
  "add": "Add",
  "and": "And",
  "div": "Div",
  "eq": "Equal",
  "exp": "Exp",
  "ge": "GreaterOrEqual",
  "gt": "Greater",
  "le": "LessOrEqual",
  "log": "Log",
  "logistic": "Sigmoid",
  "lt": "Less",
  "max": "Max",
  "min": "Min",
  "mul": "Mul",
  "neg": "Neg",
  "not": "Not",
  "or": "Or",
  "sign": "Sign",
  "sqrt": "Sqrt",
  "sub": "Sub",
  "tanh": "Tanh",
}
# Calls of inner functions, which are inlined. `jit` is named `pjit` in older releases of jax.
_CALLS = ("jit", "pjit", "custom_jvp_call", "custom_vjp_call")
# Operations that matter only to gradients and rematerialization.
_IDENTITIES = ("copy", "name", "stop_gradient")


def to_onnx(function: Callable[[dict[str, jax.Array]], dict[str, jax.Array]], inputs: Mapping[str, Any]) -> bytes:
  """Returns the function as a serialized ONNX model with the same names of inputs and outputs.

  Args:
    function: a pure function of named arrays that returns named arrays. Its constants become the model's.
    inputs: shape and dtype of each input, as `jax.ShapeDtypeStruct`; the first axis of all is the same variable of
      `jax.export.symbolic_shape`.

  Raises:
    ValueError: the function uses an operation that cannot be converted.
    ImportError: the package onnx is missing.
  """
  from onnx import checker, helper

  closed, outputs = jax.make_jaxpr(function, return_shape=True)(dict(inputs))
  # jax flattens dicts in the order of their keys.
  names, output_names = sorted(inputs), sorted(outputs)
  graph = _Graph(names[0], inputs[names[0]].shape[0])
  arguments = [_Value(inputs[name].shape, name) for name in names]
  # Accelerators may compute float32 constants less exactly.
  with jax.default_device(jax.local_devices(backend="cpu")[0]):
    results = _run(graph, closed.jaxpr, closed.consts, arguments)
    for name, value in zip(output_names, results, strict=True):
      graph.add("Identity", [graph.whole(value, outputs[name].shape)], [name])
  nodes = graph.needed(output_names)
  used = {name for node in nodes for name in node.input}
  model = helper.make_model(
    helper.make_graph(
      nodes,
      "blocks_to_scores",
      [_info(name, inputs[name]) for name in names],
      [_info(name, outputs[name]) for name in output_names],
      [tensor for tensor in graph.constants.values() if tensor.name in used],
    ),
    opset_imports=[helper.make_opsetid("", _OPSET)],
    ir_version=_IR_VERSION,
    producer_name="attavvad_jax",
  )
  checker.check_model(model, full_check=True)
  return model.SerializeToString()


def _info(name: str, spec: Any) -> Any:
  from onnx import helper

  shape = [size if isinstance(size, int) else str(size) for size in spec.shape]
  return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype)), shape)


@dataclasses.dataclass(frozen=True)
class _Value:
  """A value of the jaxpr: a name in the graph, or a constant.

  An axis of its `shape` may have size 1 where the jaxpr's is larger. ONNX broadcasts it as numpy does, so a bias is
  never stored at the size of an image.
  """

  shape: tuple[Any, ...]
  name: str | None = None
  constant: Any = None


class _Graph:
  """The nodes and constants of an ONNX graph under construction."""

  def __init__(self, batched_input: str, batch: Any):
    self.nodes: list[Any] = []
    self.constants: dict[tuple[Any, ...], Any] = {}
    self._batched_input, self._batch = batched_input, batch

  def add(self, op: str, inputs: Sequence[str], outputs: int | Sequence[str] = 1, **attributes: Any) -> list[str]:
    """Appends a node and returns the names of its outputs."""
    from onnx import helper

    if isinstance(outputs, int):
      outputs = [f"{op.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
    self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
    return list(outputs)

  def constant(self, values: Any, dtype: Any = None) -> str:
    """Returns the name of a constant; equal constants share one."""
    from onnx import numpy_helper

    array = np.ascontiguousarray(values, dtype).reshape(np.shape(values))
    key = (array.dtype.str, array.shape, array.tobytes())
    if key not in self.constants:
      self.constants[key] = numpy_helper.from_array(array, f"constant_{len(self.constants)}")
    return self.constants[key].name

  def name(self, value: _Value) -> str:
    """Returns the name of a value, whose axes of size 1 may still need broadcasting."""
    return self.constant(value.constant) if value.name is None else value.name

  def whole(self, value: _Value, shape: Sequence[Any]) -> str:
    """Returns the name of a value at its full size."""
    if tuple(value.shape) == tuple(shape):
      return self.name(value)
    if value.name is None and _is_static(shape):
      return self.constant(np.broadcast_to(value.constant, shape))
    sizes = [1 if size == own else size for size, own in zip(shape, value.shape, strict=True)]
    if not all(isinstance(size, int) or size == self._batch for size in sizes):
      raise ValueError(f"a shape of {tuple(shape)}")
    parts = [self.constant([size], np.int64) if isinstance(size, int) else self._batch_size() for size in sizes]
    return self.add("Expand", [self.name(value), self.add("Concat", parts, axis=0)[0]])[0]

  def needed(self, outputs: Sequence[str]) -> list[Any]:
    """Returns the nodes that the outputs depend on, in their order."""
    wanted, nodes = set(outputs), []
    for node in reversed(self.nodes):
      if wanted.intersection(node.output):
        wanted.update(node.input)
        nodes.append(node)
    return nodes[::-1]

  def _batch_size(self) -> str:
    return self.add("Shape", [self._batched_input], start=0, end=1)[0]


def _run(graph: _Graph, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[_Value]) -> list[_Value]:
  """Appends the operations of a jaxpr on the arguments and returns its results."""
  known = dict(zip(jaxpr.constvars, (_Value(np.shape(c), constant=c) for c in constants), strict=True))
  known.update(zip(jaxpr.invars, arguments, strict=True))

  def read(atom: Any) -> _Value:
    if isinstance(atom, core.Literal):
      dtype = atom.aval.dtype  # type: ignore[attr-defined]
      return _Value(np.shape(atom.val), constant=np.asarray(atom.val, dtype))
    return known[atom]

  for equation in jaxpr.eqns:
    results = _convert(graph, equation, [read(atom) for atom in equation.invars])
    known.update(zip(equation.outvars, results, strict=True))
  return [read(atom) for atom in jaxpr.outvars]


def _convert(graph: _Graph, equation: Any, values: list[_Value]) -> list[_Value]:
  operation = equation.primitive.name
  if operation in _CALLS:
    body = next(value for value in equation.params.values() if isinstance(value, core.ClosedJaxpr))
    return _run(graph, body.jaxpr, body.consts, values)
  if operation in _IDENTITIES:
    return values
  is_constant = all(value.name is None for value in values) and operation not in ("broadcast_in_dim", "dim_as_value")
  if is_constant and all(map(_is_static, _shapes(equation.outvars))):
    return _compute(equation, values)
  try:
    if operation in _ELEMENTWISE:
      return _elementwise(graph, equation, values, _ELEMENTWISE[operation])
    if operation not in _RULES:
      raise ValueError("no rule for it")
    names_or_values = _RULES[operation](graph, equation, values)
  except ValueError as error:
    raise ValueError(
      f"the network cannot be converted to ONNX: jax's operation {operation} is not converted ({error}); leave ONNX "
      "out with --formats=stablehlo"
    ) from error
  results = zip(names_or_values, _shapes(equation.outvars), strict=True)
  return [value if isinstance(value, _Value) else _Value(shape, value) for value, shape in results]


def _compute(equation: Any, values: Sequence[_Value]) -> list[_Value]:
  """Computes an operation on constants."""
  arguments = [
    value.constant if tuple(value.shape) == shape else np.broadcast_to(value.constant, shape)
    for value, shape in zip(values, _shapes(equation.invars), strict=True)
  ]
  results = equation.primitive.bind(*arguments, **equation.params)
  return [
    _Value(result.shape, constant=result) for result in (results if equation.primitive.multiple_results else [results])
  ]


def _shapes(atoms: Sequence[Any]) -> list[tuple[Any, ...]]:
  return [tuple(atom.aval.shape) for atom in atoms]


def _is_static(shape: Sequence[Any]) -> bool:
  return all(isinstance(size, int) for size in shape)


def _whole_inputs(graph: _Graph, equation: Any, values: Sequence[_Value]) -> list[str]:
  return [graph.whole(value, shape) for value, shape in zip(values, _shapes(equation.invars), strict=True)]


def _cast(graph: _Graph, name: str, dtype: Any) -> str:
  from onnx import helper

  return graph.add("Cast", [name], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))[0]


def _joint_shape(values: Sequence[_Value]) -> tuple[Any, ...]:
  """Returns the shape of an elementwise operation's result."""
  rank = max(len(value.shape) for value in values)
  shapes = [(1,) * (rank - len(value.shape)) + tuple(value.shape) for value in values]
  return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*shapes, strict=True))


def _elementwise(graph: _Graph, equation: Any, values: Sequence[_Value], op: str) -> list[_Value]:
  names = [graph.name(value) for value in values]
  dtype, result_dtype = (np.dtype(atom.aval.dtype) for atom in (equation.invars[0], equation.outvars[0]))
  # ONNX runtimes support arithmetic only on integers of 32 bits or more.
  is_narrow = dtype.kind in "iu" and dtype.itemsize < 4
  if is_narrow:
    names = [_cast(graph, name, np.int32) for name in names]
  (result,) = graph.add(op, names)
  if is_narrow and result_dtype == dtype:
    result = _cast(graph, result, dtype)
  return [_Value(_joint_shape(values), result)]


def _integer_pow(graph, equation, values):
  (x,) = values
  if equation.params["y"] == 2:
    (result,) = graph.add("Mul", [graph.name(x)] * 2)
  else:
    exponent = graph.constant(equation.params["y"], equation.invars[0].aval.dtype)
    (result,) = graph.add("Pow", [graph.name(x), exponent])
  return [_Value(x.shape, result)]


def _square(graph, equation, values):
  return [_Value(values[0].shape, graph.add("Mul", [graph.name(values[0])] * 2)[0])]


def _rsqrt(graph, equation, values):
  root = graph.add("Sqrt", [graph.name(values[0])])
  return [_Value(values[0].shape, graph.add("Reciprocal", root)[0])]


def _not_equal(graph, equation, values):
  (equal,) = _elementwise(graph, equation, values, "Equal")
  return [_Value(equal.shape, graph.add("Not", [graph.name(equal)])[0])]


def _is_finite(graph, equation, values):
  infinity = graph.constant(np.inf, equation.invars[0].aval.dtype)
  size = graph.add("Abs", [graph.name(values[0])])
  return [_Value(values[0].shape, graph.add("Less", [*size, infinity])[0])]


def _convert_element_type(graph, equation, values):
  return [_Value(values[0].shape, _cast(graph, graph.name(values[0]), equation.params["new_dtype"]))]


def _select(graph, equation, values):
  if len(values) != 3 or equation.invars[0].aval.dtype != bool:
    raise ValueError("a choice by an index")
  condition, if_false, if_true = (graph.name(value) for value in values)
  return [_Value(_joint_shape(values), graph.add("Where", [condition, if_true, if_false])[0])]


def _broadcast(graph, equation, values):
  (value,) = values
  shape: list[Any] = [1] * len(equation.params["shape"])
  for size, axis in zip(value.shape, equation.params["broadcast_dimensions"], strict=True):
    shape[axis] = size
  if value.name is None:
    return [_Value(tuple(shape), constant=np.reshape(value.constant, shape))]
  return [_Value(tuple(shape), _reshaped(graph, value.name, value.shape, shape))]


def _reshape(graph, equation, values):
  (shape,), (result_shape,) = _shapes(equation.invars), _shapes(equation.outvars)
  return [_reshaped(graph, graph.whole(values[0], shape), shape, result_shape)]


def _reshaped(graph: _Graph, name: str, shape: Sequence[Any], result_shape: Sequence[Any]) -> str:
  if tuple(shape) == tuple(result_shape):
    return name
  sizes = [size if isinstance(size, int) else -1 for size in result_shape]
  if sizes.count(-1) > 1:
    raise ValueError(f"a shape of {tuple(result_shape)}")
  return graph.add("Reshape", [name, graph.constant(sizes, np.int64)])[0]


def _transpose(graph, equation, values):
  return graph.add("Transpose", _whole_inputs(graph, equation, values), perm=list(equation.params["permutation"]))


def _concatenate(graph, equation, values):
  return graph.add("Concat", _whole_inputs(graph, equation, values), axis=int(equation.params["dimension"]))


def _slice(graph, equation, values):
  (shape,) = _shapes(equation.invars)
  starts, ends = equation.params["start_indices"], equation.params["limit_indices"]
  steps = equation.params["strides"] or (1,) * len(shape)
  cut = [i for i in range(len(shape)) if (starts[i], ends[i], steps[i]) != (0, shape[i], 1)]
  return _sliced(graph, graph.whole(values[0], shape), cut, *([part[i] for i in cut] for part in (starts, ends, steps)))


def _reverse(graph, equation, values):
  axes = list(equation.params["dimensions"])
  (name,) = _whole_inputs(graph, equation, values)
  return _sliced(graph, name, axes, [-1] * len(axes), [_INT_MIN] * len(axes), [-1] * len(axes))


def _sliced(graph: _Graph, name: str, axes: Sequence[int], starts: Any, ends: Any, steps: Any) -> list[str]:
  if not axes:
    return [name]
  return graph.add("Slice", [name, *(graph.constant(part, np.int64) for part in (starts, ends, axes, steps))])


def _split(graph, equation, values):
  sizes, axis = equation.params["sizes"], int(equation.params["axis"])
  names = [*_whole_inputs(graph, equation, values), graph.constant(sizes, np.int64)]
  return graph.add("Split", names, len(sizes), axis=axis)


def _pad(graph, equation, values):
  lows, highs, inner = zip(*equation.params["padding_config"], strict=True)
  if any(inner):
    raise ValueError("padding between values")
  name, filling = _whole_inputs(graph, equation, values)
  return graph.add("Pad", [name, graph.constant([*lows, *highs], np.int64), filling]) if any(lows + highs) else [name]


def _reduce(op: str) -> Callable[..., list[str]]:
  def rule(graph, equation, values):
    axes = graph.constant(equation.params["axes"], np.int64)
    (name,) = _whole_inputs(graph, equation, values)
    return graph.add(op, [name, axes], keepdims=0)

  return rule


def _any(graph, equation, values):
  axes = graph.constant(equation.params["axes"], np.int64)
  (name,) = _whole_inputs(graph, equation, values)
  return [_cast(graph, graph.add("ReduceMax", [_cast(graph, name, np.int32), axes], keepdims=0)[0], bool)]


def _dot_general(graph, equation, values):
  (contracted, rhs_contracted), (batched, rhs_batched) = equation.params["dimension_numbers"]
  left, right = _shapes(equation.invars)
  letters = iter(string.ascii_lowercase)
  lhs = [next(letters) for _ in left]
  rhs = [next(letters) for _ in right]
  for axis, rhs_axis in [*zip(contracted, rhs_contracted, strict=True), *zip(batched, rhs_batched, strict=True)]:
    rhs[rhs_axis] = lhs[axis]
  free = [lhs[axis] for axis in range(len(left)) if axis not in (*contracted, *batched)]
  rhs_free = [rhs[axis] for axis in range(len(right)) if axis not in (*rhs_contracted, *rhs_batched)]
  result = [*(lhs[axis] for axis in batched), *free, *rhs_free]
  formula = f"{''.join(lhs)},{''.join(rhs)}->{''.join(result)}"
  return graph.add("Einsum", _whole_inputs(graph, equation, values), equation=formula)


def _convolve(graph, equation, values):
  params = equation.params
  if params["batch_group_count"] != 1 or set(params["lhs_dilation"]) != {1}:
    raise ValueError("a transposed or batched convolution")
  specs = params["dimension_numbers"]
  image, kernel = _whole_inputs(graph, equation, values)
  if values[1].name is None:
    kernel = graph.constant(np.transpose(values[1].constant, specs.rhs_spec))
  else:
    (kernel,) = graph.add("Transpose", [kernel], perm=list(specs.rhs_spec))
  (image,) = graph.add("Transpose", [image], perm=list(specs.lhs_spec))
  lows, highs = zip(*params["padding"], strict=True)
  (result,) = graph.add(
    "Conv",
    [image, kernel],
    strides=list(params["window_strides"]),
    pads=[*lows, *highs],
    dilations=list(params["rhs_dilation"]),
    group=params["feature_group_count"],
  )
  return graph.add("Transpose", [result], perm=np.argsort(specs.out_spec).tolist())


def _fft(graph, equation, values):
  """Converts transforms of real input. A complex value has one more axis in the graph, for its two parts."""
  params, (shape,) = equation.params, _shapes(equation.invars)
  if params["fft_type"].name != "RFFT" or len(params["fft_lengths"]) != 1:
    raise ValueError(f"the transform {params['fft_type'].name} over {len(params['fft_lengths'])} axes")
  parts = _reshaped(graph, graph.whole(values[0], shape), shape, (*shape, 1))
  return graph.add("DFT", [parts], axis=len(shape) - 1, onesided=1)


def _part(index: int) -> Callable[..., list[str]]:
  """Returns the rule for the real (0) or the imaginary (1) part."""

  def rule(graph, equation, values):
    return graph.add("Gather", [graph.name(values[0]), graph.constant(index, np.int64)], axis=-1)

  return rule


def _gather(graph, equation, values):
  """Converts a slice of some axes, or constant indices along one axis."""
  numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
  shape = _shapes(equation.invars)[0]
  axes, indices = list(numbers.start_index_map), values[1].constant
  if indices is None:
    raise ValueError("indices that are computed")
  name, starts = graph.whole(values[0], shape), np.asarray(indices)
  if not numbers.collapsed_slice_dims and starts.ndim == 1:
    starts = np.clip(starts, 0, [shape[axis] - sizes[axis] for axis in axes])
    return _sliced(graph, name, axes, starts, starts + [sizes[axis] for axis in axes], [1] * len(axes))
  if tuple(numbers.collapsed_slice_dims) != tuple(axes) or len(axes) != 1:
    raise ValueError("indices along several axes")
  (axis,), places = axes, starts[..., 0]
  kept = [i for i in range(len(shape)) if i != axis]
  offsets = [i if i < axis else i - 1 + places.ndim for i in kept]
  is_whole = all(sizes[i] == shape[i] for i in kept) and list(numbers.offset_dims) == offsets
  if not is_whole or not ((places >= 0) & (places < shape[axis])).all():
    raise ValueError("parts of an axis, another order of axes, or indices outside an axis")
  return graph.add("Gather", [name, graph.constant(places, np.int64)], axis=axis)


def _scan(graph, equation, values):
  """Unrolls a loop of fixed length."""
  params, shapes = equation.params, _shapes(equation.invars)
  num_constants, num_carried = _scan_sizes(params)
  constants, state = values[:num_constants], values[num_constants : num_constants + num_carried]
  sequences = [graph.whole(value, shape) for value, shape in zip(values, shapes, strict=True)][
    num_constants + num_carried :
  ]
  body, steps = params["jaxpr"], range(params["length"])
  rows: list[list[str]] = []
  for step in reversed(steps) if params["reverse"] else steps:
    place = graph.constant(step, np.int64)
    items = [
      _Value(shape[1:], graph.add("Gather", [name, place], axis=0)[0])
      for name, shape in zip(sequences, shapes[num_constants + num_carried :], strict=True)
    ]
    results = _run(graph, body.jaxpr, body.consts, [*constants, *state, *items])
    state = results[:num_carried]
    row_shapes = _shapes(body.jaxpr.outvars)[num_carried:]
    rows.append(
      [
        graph.add("Unsqueeze", [graph.whole(value, shape), graph.constant([0], np.int64)])[0]
        for value, shape in zip(results[num_carried:], row_shapes, strict=True)
      ]
    )
  if params["reverse"]:
    rows.reverse()
  return [*state, *(graph.add("Concat", column, axis=0)[0] for column in zip(*rows, strict=True))]


def _scan_sizes(params: Mapping[str, Any]) -> tuple[int, int]:
  """Returns how many of a scan's operands are constants, and how many are carried from step to step."""
  if "num_consts" in params:
    return params["num_consts"], params["num_carry"]
  constants, carried, _ = params["ft_in"].unpack()  # since jax 0.11
  return len(constants), len(carried)


_RULES: dict[str, Callable[..., list[Any]]] = {
  "broadcast_in_dim": _broadcast,
  "concatenate": _concatenate,
  "conv_general_dilated": _convolve,
  "convert_element_type": _convert_element_type,
  "dot_general": _dot_general,
  "expand_dims": _reshape,
  "fft": _fft,
  "gather": _gather,
  "imag": _part(1),
  "integer_pow": _integer_pow,
  "is_finite": _is_finite,
  "ne": _not_equal,
  "pad": _pad,
  "real": _part(0),
  "reduce_max": _reduce("ReduceMax"),
  "reduce_min": _reduce("ReduceMin"),
  "reduce_or": _any,
  "reduce_sum": _reduce("ReduceSum"),
  "reshape": _reshape,
  "rev": _reverse,
  "rsqrt": _rsqrt,
  "scan": _scan,
  "select_n": _select,
  "slice": _slice,
  "split": _split,
  "square": _square,
  "squeeze": _reshape,
  "transpose": _transpose,
}
