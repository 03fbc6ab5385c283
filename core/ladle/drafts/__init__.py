"""Recipes to begin with: looking into data, a draft for them, and example tables of components."""
