"""Predictions of image classifiers, and maps of the pixels that drove them.

Pure Python, torch and Captum; for notebooks, for ``python -m core`` and for the dashboard.
"""
