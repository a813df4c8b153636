"""Where the experience is kept, and how a batch is drawn from it."""
