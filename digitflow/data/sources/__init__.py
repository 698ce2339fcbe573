"""One module a source; each has `fingerprint(source)` and `load(source)`."""
