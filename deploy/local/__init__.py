"""The one-machine stack: finds or fetches the servers, starts them on loopback, stops them without a trace."""
