"""Trainers over columns of numbers."""
