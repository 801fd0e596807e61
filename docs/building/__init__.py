"""What the documentation is built with: generated pages, docstrings, pictures, and the checker of links."""
