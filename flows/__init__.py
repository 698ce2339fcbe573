"""The flows: the order of work and what runs in parallel, and the command line over them."""
