"""Types of arrays with their shapes, for annotations: `Float[Array, "B T F"]`.

Tests check them at every call (`tests/conftest.py`). Nothing else needs jaxtyping; where it is missing, an annotation
says no more than the type of the array.
"""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
  from jax import Array
  from jaxtyping import Bool, Float, Int, Key, Num, Shaped, UInt8
else:
  # What jax takes for an array.
  Array = jax.Array | np.ndarray | np.generic
  try:
    from jaxtyping import Bool, Float, Int, Key, Num, Shaped, UInt8
  except ModuleNotFoundError:

    class _Unchecked:
      def __class_getitem__(cls, item: tuple[Any, str]) -> Any:
        return item[0]

    Bool = Float = Int = Key = Num = Shaped = UInt8 = _Unchecked

# Python's numbers, or traced ones.
Number = int | float | Float[Array, ""]

__all__ = ["Array", "Bool", "Float", "Int", "Key", "Num", "Number", "Shaped", "UInt8"]
