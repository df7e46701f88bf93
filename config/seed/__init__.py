"""The demonstration organization: Maison Levain, a bakery with four websites."""
