"""From a kernel to a verdict: pure mathematics on tensors."""
