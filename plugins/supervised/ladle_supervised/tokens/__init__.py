"""Trainers that say something of each word of a text."""
