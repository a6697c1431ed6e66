"""Annotations of arrays with type and shape: `Float[Array, "B T F"]`.

Tests check them at every call (`tests/conftest.py`). Nothing else needs jaxtyping; without it, an annotation only
states the array's type.
"""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
  from jax import Array
  from jaxtyping import Bool, Float, Int, Key, Num, Shaped, UInt8
else:
  # The types that jax accepts as arrays.
  Array = jax.Array | np.ndarray | np.generic
  try:
    from jaxtyping import Bool, Float, Int, Key, Num, Shaped, UInt8
  except ModuleNotFoundError:

    class _Unchecked:
      def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
        return item[0]

    Bool = Float = Int = Key = Num = Shaped = UInt8 = _Unchecked

# Python numbers and traced scalars.
Number = int | float | Float[Array, ""]

__all__ = ["Array", "Bool", "Float", "Int", "Key", "Num", "Number", "Shaped", "UInt8"]
