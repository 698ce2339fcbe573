"""The studies: one module a section, which plans experiments and computes them."""
