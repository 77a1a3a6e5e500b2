"""Who is let in, by what credential, what they may do, and how much of it."""
