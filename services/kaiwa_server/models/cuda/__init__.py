"""The models' own kernels for a GPU, in Triton, and their steps as CUDA graphs.

Whoever imports anything of this needs triton, which comes with torch's build for CUDA.
"""
