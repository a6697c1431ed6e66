"""Thin launchers: each parses its flags and calls one function of the package."""
