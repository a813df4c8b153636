"""How well does a network play? Protocols, episodes, scores with intervals, references."""
