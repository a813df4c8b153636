"""Pages that a person reads: the HTML report and the terminal."""
