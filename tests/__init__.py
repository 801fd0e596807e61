"""Small matrices are decomposed thousands of times here: threads of the linear algebra would only wait."""

import os

for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
