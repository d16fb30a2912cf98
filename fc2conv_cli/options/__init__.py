"""The options that commands share, in groups; a group of options is one parameter of a command."""
