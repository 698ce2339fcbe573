"""The gate's checks, a module each: from evidence to answers, without I/O."""
