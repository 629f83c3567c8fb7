"""What the model can do on a call: one file per tool, one registry."""
