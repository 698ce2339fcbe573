"""From images to features: named recipes, one module each, and how they are fitted."""
