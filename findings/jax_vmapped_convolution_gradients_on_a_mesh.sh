#!/usr/bin/env bash
# jax 0.7.2: the gradient of a convolution under vmap, as in training several networks at once, raises
# NotImplementedError without a message as soon as a mesh is involved: within shard_map, and in a plain jit where
# arguments lie on a mesh, be it of one device with an Auto axis. Without a mesh it works. jax 0.7.0 and 0.8.0 compute
# all three. Colab's image of August 2026 has 0.7.2.
# Exits 0 if that is so, 1 if not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/gradients.py" <<'PYTHON'
import sys

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np


def loss(kernel, image):
  out = jax.lax.conv_general_dilated(image, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
  return (out**2).sum()


rng = np.random.default_rng(0)
kernels = rng.normal(size=(2, 3, 3, 1, 2)).astype(np.float32)
images = rng.normal(size=(2, 1, 8, 8, 1)).astype(np.float32)
gradients = jax.vmap(jax.grad(loss))
mesh = jax.make_mesh((1,), ("members",), axis_types=(AxisType.Auto,))
spec = PartitionSpec("members")
shared = jax.shard_map(gradients, mesh=mesh, in_specs=(spec, spec), out_specs=spec, check_vma=False)
placed = [jax.device_put(x, NamedSharding(mesh, spec)) for x in (kernels, images)]
one_by_one = jnp.stack([jax.grad(loss)(k, x) for k, x in zip(kernels, images)])

print("jax", jax.__version__)
found = {}
for name, function, arguments in (
  ("no mesh", gradients, (kernels, images)),
  ("shard_map over one device", shared, (kernels, images)),
  ("arguments on a mesh of one device", gradients, placed),
):
  try:
    np.testing.assert_allclose(jax.jit(function)(*arguments), one_by_one, rtol=1e-4)
    found[name] = "equal to one after another"
  except NotImplementedError as error:
    found[name] = f"NotImplementedError({str(error)!r})"
  print(f"  {name}: {found[name]}")
works = [text.startswith("equal") for text in found.values()]
sys.exit(works != ([True, False, False] if jax.__version__ == "0.7.2" else [True] * 3))
PYTHON
for version in 0.7.0 0.7.2 0.8.0; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install -q "jax==$version" "jaxlib==$version" numpy==2.1.3
  JAX_PLATFORMS=cpu "$folder/$version/bin/python" "$folder/gradients.py"
done
echo "as described"
