"""Trainers that say one thing of a text: its class, or a number."""
