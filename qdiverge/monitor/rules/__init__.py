"""One rule of alarm a file: pure functions of what was measured."""
