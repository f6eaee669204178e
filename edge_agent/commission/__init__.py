"""What an engineer does before the agent runs: look at a server, pick points, check the configuration, try it out."""
