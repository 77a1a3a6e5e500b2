"""Read the settings from the environment and from `.env`."""
