"""Renders the records: one function each."""
