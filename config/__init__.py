"""Wiring: settings, addresses, processes."""
