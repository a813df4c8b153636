"""The settings of every agent: names, ranges, what goes together, and the published numbers."""
