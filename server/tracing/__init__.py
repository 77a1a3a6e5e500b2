"""Traces for OpenTelemetry. Only a server that sends traces imports `spans.py`, and with it the library."""
