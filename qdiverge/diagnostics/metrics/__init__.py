"""One measured quantity a file."""
