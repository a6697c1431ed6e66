"""Tools for developers; the wheel does not include them."""
