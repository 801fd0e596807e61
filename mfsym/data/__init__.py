"""Data laws of (x, y): input laws, teachers, samples, losses, and expectations with error estimates."""
