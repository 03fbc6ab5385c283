"""Trainers that tune language models on conversations."""
