"""Charts as SVG, PNG and text, from numbers alone."""
