"""The verbs of `attavvad`, one module each: `COMMAND`, and the function that it calls."""
