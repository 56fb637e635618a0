"""Steps on a GPU need triton, which comes with torch's build for CUDA."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("triton") else ["*"]
