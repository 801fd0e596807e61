"""Compiled code of training; one file per job."""
