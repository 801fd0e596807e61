"""Compiled code of quotients."""
