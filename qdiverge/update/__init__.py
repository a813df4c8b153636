"""What one update does, and to what."""
