"""The verbs of `attavvad`, one module each, with `COMMAND` and the function that it calls."""
