"""The command line `attavvad`: one table of verbs, from which its parser and the absl flags of `launch/` are made."""
