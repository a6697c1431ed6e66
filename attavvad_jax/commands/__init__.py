"""The command line `attavvad`: one table of verbs, which defines its parser and the absl flags of `launch/`."""
