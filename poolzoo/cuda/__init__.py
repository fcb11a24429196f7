"""CUDA sources: kernels, launchers and the glue that registers them. poolzoo.native compiles and loads them."""
