"""Say with what certainty runs differ."""
