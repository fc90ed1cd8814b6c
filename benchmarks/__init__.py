"""Timings side by side with Captum, in one run on one machine: ``make bench``."""
