"""The files of tables: written once, served many times, and shared by the processes and hosts that serve them."""
