"""Predictions of image classifiers, and maps of the pixels that drove them.

Pure Python, torch and Captum; usable from a notebook, from ``python -m core`` and from the dashboard.
"""
