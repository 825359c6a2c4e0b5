"""Pruning: pruners, schedules, scores and masks."""
