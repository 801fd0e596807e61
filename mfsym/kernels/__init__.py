"""All compiled code; one file per job."""
