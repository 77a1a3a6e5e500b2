"""The Redis or Valkey that servers share: its address, and the connection to it."""
