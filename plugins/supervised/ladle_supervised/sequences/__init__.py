"""Trainers that make a text of a text."""
