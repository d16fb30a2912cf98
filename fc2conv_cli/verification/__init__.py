"""Runs two models on the same inputs and measures how far apart they are."""
