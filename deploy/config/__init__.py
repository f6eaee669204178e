"""Configuration files of the one-machine stack, as templates: `$name` is filled in at each start."""
