"""Values of rows and the calendar: money, moments, days, intervals, and values that could not be read."""
