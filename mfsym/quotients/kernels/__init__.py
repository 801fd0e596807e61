"""Compiled fast paths for clouds of points under rotations."""
