"""Write tables to files, one partition for each day."""
