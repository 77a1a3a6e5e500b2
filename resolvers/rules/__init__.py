"""Rules about figures that several reports have: currencies, daily totals, movements, coherence."""
