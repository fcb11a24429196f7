"""The operators as functions.

Written by `make catalog`: edit the operators instead.
"""

import torch
from torch import Tensor

from poolzoo.operators.lifting import Step as Step
from poolzoo.operators.multisampling import Permutation as Permutation
from poolzoo.geometry import IntOrTuple as IntOrTuple, Sizes as Sizes

from poolzoo.operators.adapool import ada_unpool1d as ada_unpool1d
from poolzoo.operators.adapool import ada_unpool2d as ada_unpool2d
from poolzoo.operators.adapool import ada_unpool3d as ada_unpool3d

def max_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def max_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def max_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def adaptive_max_pool1d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def adaptive_max_pool2d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def adaptive_max_pool3d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def global_max_pool1d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def global_max_pool2d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def global_max_pool3d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """largest element of the window: y = max a"""

def avg_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def avg_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def avg_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def adaptive_avg_pool1d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def adaptive_avg_pool2d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def adaptive_avg_pool3d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def global_avg_pool1d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def global_avg_pool2d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def global_avg_pool3d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """mean of the window: y = mean a"""

def sum_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """sum of the window: y = sum a"""

def sum_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """sum of the window: y = sum a"""

def sum_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """sum of the window: y = sum a"""

def adaptive_sum_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """sum of the window: y = sum a"""

def adaptive_sum_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """sum of the window: y = sum a"""

def adaptive_sum_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """sum of the window: y = sum a"""

def global_sum_pool1d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """sum of the window: y = sum a"""

def global_sum_pool2d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """sum of the window: y = sum a"""

def global_sum_pool3d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """sum of the window: y = sum a"""

def strided_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def strided_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def strided_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def adaptive_strided_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def adaptive_strided_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def adaptive_strided_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def global_strided_pool1d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def global_strided_pool2d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def global_strided_pool3d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """first element of the window, plain decimation: y = a_1"""

def median_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def median_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def median_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def adaptive_median_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def adaptive_median_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def adaptive_median_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def global_median_pool1d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def global_median_pool2d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def global_median_pool3d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

def lp_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def lp_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def lp_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def adaptive_lp_pool1d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def adaptive_lp_pool2d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def adaptive_lp_pool3d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def global_lp_pool1d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def global_lp_pool2d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def global_lp_pool3d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> Tensor:
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

def power_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def power_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def power_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def adaptive_power_pool1d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def adaptive_power_pool2d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def adaptive_power_pool3d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def global_power_pool1d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def global_power_pool2d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def global_power_pool3d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 3.0, backend: str = 'auto') -> Tensor:
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

def gem_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def gem_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def gem_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def adaptive_gem_pool1d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def adaptive_gem_pool2d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def adaptive_gem_pool3d(input: Tensor, output_size: Sizes, *, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def global_gem_pool1d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def global_gem_pool2d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def global_gem_pool3d(input: Tensor, *, flatten: bool = False, p: float | Tensor = 3.0, eps: float = 1e-06) -> Tensor:
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

def lse_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def lse_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def lse_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def adaptive_lse_pool1d(input: Tensor, output_size: Sizes, *, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def adaptive_lse_pool2d(input: Tensor, output_size: Sizes, *, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def adaptive_lse_pool3d(input: Tensor, output_size: Sizes, *, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def global_lse_pool1d(input: Tensor, *, flatten: bool = False, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def global_lse_pool2d(input: Tensor, *, flatten: bool = False, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def global_lse_pool3d(input: Tensor, *, flatten: bool = False, r: float = 1.0) -> Tensor:
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

def hann_l2_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def hann_l2_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def hann_l2_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def adaptive_hann_l2_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def adaptive_hann_l2_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def adaptive_hann_l2_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def global_hann_l2_pool1d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def global_hann_l2_pool2d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def global_hann_l2_pool3d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

def stochastic_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def stochastic_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def stochastic_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def adaptive_stochastic_pool1d(input: Tensor, output_size: Sizes, *, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def adaptive_stochastic_pool2d(input: Tensor, output_size: Sizes, *, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def adaptive_stochastic_pool3d(input: Tensor, output_size: Sizes, *, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def global_stochastic_pool1d(input: Tensor, *, flatten: bool = False, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def global_stochastic_pool2d(input: Tensor, *, flatten: bool = False, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def global_stochastic_pool3d(input: Tensor, *, flatten: bool = False, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

def s3_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, grid: IntOrTuple | None = None, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """dense maximum, then rows and columns drawn; in evaluation its average: train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean"""

def s3_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, grid: IntOrTuple | None = None, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """dense maximum, then rows and columns drawn; in evaluation its average: train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean"""

def s3_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, grid: IntOrTuple | None = None, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """dense maximum, then rows and columns drawn; in evaluation its average: train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean"""

def fractional_max_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, output_ratio: float | None = None, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """largest element of windows at uneven, random steps: y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)"""

def fractional_max_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, output_ratio: float | None = None, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """largest element of windows at uneven, random steps: y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)"""

def fractional_max_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, output_ratio: float | None = None, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """largest element of windows at uneven, random steps: y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)"""

def gaussian_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def gaussian_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def gaussian_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def adaptive_gaussian_pool1d(input: Tensor, output_size: Sizes, *, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def adaptive_gaussian_pool2d(input: Tensor, output_size: Sizes, *, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def adaptive_gaussian_pool3d(input: Tensor, output_size: Sizes, *, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def global_gaussian_pool1d(input: Tensor, *, flatten: bool = False, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def global_gaussian_pool2d(input: Tensor, *, flatten: bool = False, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def global_gaussian_pool3d(input: Tensor, *, flatten: bool = False, m: float | Tensor = 0.0, s: float | Tensor = 0.5, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

def mixed_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def mixed_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def mixed_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def adaptive_mixed_pool1d(input: Tensor, output_size: Sizes, *, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def adaptive_mixed_pool2d(input: Tensor, output_size: Sizes, *, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def adaptive_mixed_pool3d(input: Tensor, output_size: Sizes, *, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def global_mixed_pool1d(input: Tensor, *, flatten: bool = False, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def global_mixed_pool2d(input: Tensor, *, flatten: bool = False, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def global_mixed_pool3d(input: Tensor, *, flatten: bool = False, lam: float | Tensor = 0.5) -> Tensor:
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

def gated_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None) -> Tensor:
    """maximum and average, mixed in a share computed from the window: y = s max a + (1 - s) mean a, s = sigmoid(w . a)"""

def gated_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None) -> Tensor:
    """maximum and average, mixed in a share computed from the window: y = s max a + (1 - s) mean a, s = sigmoid(w . a)"""

def gated_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None) -> Tensor:
    """maximum and average, mixed in a share computed from the window: y = s max a + (1 - s) mean a, s = sigmoid(w . a)"""

def tree_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, leaves: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
    """learned filters, mixed pair by pair in shares computed from the window: leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)"""

def tree_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, leaves: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
    """learned filters, mixed pair by pair in shares computed from the window: leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)"""

def tree_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, leaves: Tensor | None = None, gates: Tensor | None = None) -> Tensor:
    """learned filters, mixed pair by pair in shares computed from the window: leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)"""

def soft_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def soft_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def soft_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def adaptive_soft_pool1d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def adaptive_soft_pool2d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def adaptive_soft_pool3d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def global_soft_pool1d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def global_soft_pool2d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def global_soft_pool3d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

def soft_pool_detached1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def soft_pool_detached2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def soft_pool_detached3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def adaptive_soft_pool_detached1d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def adaptive_soft_pool_detached2d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def adaptive_soft_pool_detached3d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def global_soft_pool_detached1d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def global_soft_pool_detached2d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def global_soft_pool_detached3d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0) -> Tensor:
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

def soft_pool_channelsum1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def soft_pool_channelsum2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def soft_pool_channelsum3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def adaptive_soft_pool_channelsum1d(input: Tensor, output_size: Sizes) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def adaptive_soft_pool_channelsum2d(input: Tensor, output_size: Sizes) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def adaptive_soft_pool_channelsum3d(input: Tensor, output_size: Sizes) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def global_soft_pool_channelsum1d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def global_soft_pool_channelsum2d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def global_soft_pool_channelsum3d(input: Tensor, *, flatten: bool = False) -> Tensor:
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

def auto_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def auto_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def auto_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def adaptive_auto_pool1d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def adaptive_auto_pool2d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def adaptive_auto_pool3d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def global_auto_pool1d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def global_auto_pool2d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def global_auto_pool3d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> Tensor:
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

def owa_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def owa_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def owa_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def adaptive_owa_pool1d(input: Tensor, output_size: Sizes, *, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def adaptive_owa_pool2d(input: Tensor, output_size: Sizes, *, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def adaptive_owa_pool3d(input: Tensor, output_size: Sizes, *, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def global_owa_pool1d(input: Tensor, *, flatten: bool = False, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def global_owa_pool2d(input: Tensor, *, flatten: bool = False, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def global_owa_pool3d(input: Tensor, *, flatten: bool = False, weight: Tensor | None = None) -> Tensor:
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

def t_max_avg_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def t_max_avg_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def t_max_avg_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def adaptive_t_max_avg_pool1d(input: Tensor, output_size: Sizes, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def adaptive_t_max_avg_pool2d(input: Tensor, output_size: Sizes, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def adaptive_t_max_avg_pool3d(input: Tensor, output_size: Sizes, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def global_t_max_avg_pool1d(input: Tensor, *, flatten: bool = False, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def global_t_max_avg_pool2d(input: Tensor, *, flatten: bool = False, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def global_t_max_avg_pool3d(input: Tensor, *, flatten: bool = False, k: int = 3, threshold: float = 0.5, when: str = 'all') -> Tensor:
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

def lip_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def lip_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def lip_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def adaptive_lip_pool1d(input: Tensor, output_size: Sizes, *, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def adaptive_lip_pool2d(input: Tensor, output_size: Sizes, *, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def adaptive_lip_pool3d(input: Tensor, output_size: Sizes, *, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def global_lip_pool1d(input: Tensor, *, flatten: bool = False, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def global_lip_pool2d(input: Tensor, *, flatten: bool = False, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def global_lip_pool3d(input: Tensor, *, flatten: bool = False, logit: Tensor, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

def edscw_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def edscw_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def edscw_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def adaptive_edscw_pool1d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def adaptive_edscw_pool2d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def adaptive_edscw_pool3d(input: Tensor, output_size: Sizes, *, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def global_edscw_pool1d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def global_edscw_pool2d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def global_edscw_pool3d(input: Tensor, *, flatten: bool = False, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

def idw_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def idw_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def idw_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def adaptive_idw_pool1d(input: Tensor, output_size: Sizes, *, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def adaptive_idw_pool2d(input: Tensor, output_size: Sizes, *, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def adaptive_idw_pool3d(input: Tensor, output_size: Sizes, *, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def global_idw_pool1d(input: Tensor, *, flatten: bool = False, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def global_idw_pool2d(input: Tensor, *, flatten: bool = False, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def global_idw_pool3d(input: Tensor, *, flatten: bool = False, eps: float = 1e-06, backend: str = 'auto') -> Tensor:
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

def ada_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def ada_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def ada_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def adaptive_ada_pool1d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def adaptive_ada_pool2d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def adaptive_ada_pool3d(input: Tensor, output_size: Sizes, *, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def global_ada_pool1d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def global_ada_pool2d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def global_ada_pool3d(input: Tensor, *, flatten: bool = False, beta: float | Tensor = 0.5, backend: str = 'auto') -> Tensor:
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

def dpp_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, weight: Tensor | None = None, bias: float | Tensor | None = None, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def dpp_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, weight: Tensor | None = None, bias: float | Tensor | None = None, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def dpp_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, weight: Tensor | None = None, bias: float | Tensor | None = None, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def adaptive_dpp_pool1d(input: Tensor, output_size: Sizes, *, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def adaptive_dpp_pool2d(input: Tensor, output_size: Sizes, *, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def adaptive_dpp_pool3d(input: Tensor, output_size: Sizes, *, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def global_dpp_pool1d(input: Tensor, *, flatten: bool = False, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def global_dpp_pool2d(input: Tensor, *, flatten: bool = False, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def global_dpp_pool3d(input: Tensor, *, flatten: bool = False, alpha: float | Tensor = 1.0, lam: float | Tensor = 1.0, reward: str = 'symmetric', eps: float = 0.001) -> Tensor:
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

def blur_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """binomial low-pass filter, then decimation: y = sum b a, b the binomial row of filt_size taps centred on the window"""

def blur_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """binomial low-pass filter, then decimation: y = sum b a, b the binomial row of filt_size taps centred on the window"""

def blur_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """binomial low-pass filter, then decimation: y = sum b a, b the binomial row of filt_size taps centred on the window"""

def max_blur_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """dense maximum, then binomial filter and decimation: y = blur(max pool at stride 1)"""

def max_blur_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """dense maximum, then binomial filter and decimation: y = blur(max pool at stride 1)"""

def max_blur_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """dense maximum, then binomial filter and decimation: y = blur(max pool at stride 1)"""

def avg_blur_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """dense average, then binomial filter and decimation: y = blur(average pool at stride 1)"""

def avg_blur_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """dense average, then binomial filter and decimation: y = blur(average pool at stride 1)"""

def avg_blur_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> Tensor:
    """dense average, then binomial filter and decimation: y = blur(average pool at stride 1)"""

def pasa_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None, bias: Tensor | None = None, groups: int = 1, filt_size: int = 3) -> Tensor:
    """low-pass filter predicted from the input at each place and for each group of channels, then decimation: y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window"""

def pasa_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None, bias: Tensor | None = None, groups: int = 1, filt_size: int = 3) -> Tensor:
    """low-pass filter predicted from the input at each place and for each group of channels, then decimation: y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window"""

def pasa_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, weight: Tensor | None = None, bias: Tensor | None = None, groups: int = 1, filt_size: int = 3) -> Tensor:
    """low-pass filter predicted from the input at each place and for each group of channels, then decimation: y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window"""

def haar_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """low-pass (LL) band of the Haar wavelet transform: y = sum h a, h = (1, 1) / sqrt 2 along each axis"""

def haar_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """low-pass (LL) band of the Haar wavelet transform: y = sum h a, h = (1, 1) / sqrt 2 along each axis"""

def haar_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """low-pass (LL) band of the Haar wavelet transform: y = sum h a, h = (1, 1) / sqrt 2 along each axis"""

def wavelet_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, wavelet: str = 'db2', mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """low-pass (LL) band of a wavelet transform, Daubechies 2 by default: y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window"""

def wavelet_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, wavelet: str = 'db2', mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """low-pass (LL) band of a wavelet transform, Daubechies 2 by default: y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window"""

def wavelet_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, wavelet: str = 'db2', mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """low-pass (LL) band of a wavelet transform, Daubechies 2 by default: y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window"""

def hwd_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost: y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis"""

def hwd_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost: y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis"""

def hwd_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> Tensor:
    """all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost: y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis"""

def spectral_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """the low frequencies of the whole input's Fourier transform: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

def spectral_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """the low frequencies of the whole input's Fourier transform: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

def spectral_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """the low frequencies of the whole input's Fourier transform: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

def flc_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

def flc_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

def flc_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

def asap_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, window: str = 'centred') -> Tensor:
    """the low frequencies of the whole input, tapered by the root of a Hamming window against ringing: y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)"""

def asap_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, window: str = 'centred') -> Tensor:
    """the low frequencies of the whole input, tapered by the root of a Hamming window against ringing: y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)"""

def asap_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, window: str = 'centred') -> Tensor:
    """the low frequencies of the whole input, tapered by the root of a Hamming window against ringing: y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)"""

def diffstride_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, strides: float | tuple[float, ...] | Tensor | None = None, smoothness: float = 4.0, size: str = 'asked') -> Tensor:
    """the low frequencies of the whole input, with a learned stride that says where they fade out: y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)"""

def diffstride_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, strides: float | tuple[float, ...] | Tensor | None = None, smoothness: float = 4.0, size: str = 'asked') -> Tensor:
    """the low frequencies of the whole input, with a learned stride that says where they fade out: y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)"""

def diffstride_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, strides: float | tuple[float, ...] | Tensor | None = None, smoothness: float = 4.0, size: str = 'asked') -> Tensor:
    """the low frequencies of the whole input, with a learned stride that says where they fade out: y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)"""

def lift_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, predict: Step | None = None, update: Step | None = None) -> Tensor:
    """sum of the sub-bands of a learned lifting scheme: y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)"""

def lift_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, predict: Step | None = None, update: Step | None = None) -> Tensor:
    """sum of the sub-bands of a learned lifting scheme: y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)"""

def lift_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, predict: Step | None = None, update: Step | None = None) -> Tensor:
    """sum of the sub-bands of a learned lifting scheme: y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)"""

def checkered_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max', sampler: int | str = 0, generator: torch.Generator | None = None) -> Tensor:
    """dense pooling; two phases of each 2x2 cell are kept as two submaps: y = (dense[0::2, 0::2], dense[1::2, 1::2]), dense = pool at stride 1"""

def tri_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max', sampler: int | str = 0, generator: torch.Generator | None = None) -> Tensor:
    """dense pooling; three phases of each 3x3 cell, no two in the same row or column, are kept as submaps: y_r = dense[r::3, p_r::3], r = 0, 1, 2, p a permutation, dense = pool at stride 1"""

def complete_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max') -> Tensor:
    """dense pooling; all phases are kept, each as a submap: y_ij = dense[i::s, j::s], dense = pool at stride 1"""

def multisampling_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max', sampler: Permutation = ...) -> Tensor:
    """dense pooling; the k phases that a sampler selects from each k x k cell are kept as k submaps: y_r = dense[r::k, p_r::k], r = 0 .. k-1, p the sampler, dense = pool at stride 1"""

def space_to_depth_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """all phases of each cell are kept, each as a submap: nothing is lost: y_ij = x[i::s, j::s], i, j = 0 .. s-1"""

def space_to_depth_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """all phases of each cell are kept, each as a submap: nothing is lost: y_ij = x[i::s, j::s], i, j = 0 .. s-1"""

def space_to_depth_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """all phases of each cell are kept, each as a submap: nothing is lost: y_ij = x[i::s, j::s], i, j = 0 .. s-1"""

def aps_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 2.0, filt_size: int = 1) -> Tensor:
    """adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm: y = x[f::s], f = argmax_f |x[f::s]|_p"""

def aps_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 2.0, filt_size: int = 1) -> Tensor:
    """adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm: y = x[f::s], f = argmax_f |x[f::s]|_p"""

def aps_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 2.0, filt_size: int = 1) -> Tensor:
    """adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm: y = x[f::s], f = argmax_f |x[f::s]|_p"""

def lps_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, logits: Tensor | None = None, tau: float = 1.0, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps: y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)"""

def lps_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, logits: Tensor | None = None, tau: float = 1.0, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps: y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)"""

def lps_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, logits: Tensor | None = None, tau: float = 1.0, training: bool = False, generator: torch.Generator | None = None) -> Tensor:
    """learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps: y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)"""

def rmac_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, levels: int = 3) -> Tensor:
    """R-MAC: the maxima of square regions, as unit vectors over the channels, added up: y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R"""

def adaptive_rmac_pool2d(input: Tensor, output_size: Sizes, *, levels: int = 3) -> Tensor:
    """R-MAC: the maxima of square regions, as unit vectors over the channels, added up: y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R"""

def global_rmac_pool2d(input: Tensor, *, flatten: bool = False, levels: int = 3) -> Tensor:
    """R-MAC: the maxima of square regions, as unit vectors over the channels, added up: y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R"""

def sim_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def sim_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def sim_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def adaptive_sim_pool1d(input: Tensor, output_size: Sizes, *, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def adaptive_sim_pool2d(input: Tensor, output_size: Sizes, *, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def adaptive_sim_pool3d(input: Tensor, output_size: Sizes, *, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def global_sim_pool1d(input: Tensor, *, flatten: bool = False, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def global_sim_pool2d(input: Tensor, *, flatten: bool = False, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def global_sim_pool3d(input: Tensor, *, flatten: bool = False, query: Tensor | None = None, key: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None, gamma: float | None = 2.0) -> Tensor:
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

def area_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """mean of the area that each output element covers: y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)"""

def area_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """mean of the area that each output element covers: y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)"""

def area_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """mean of the area that each output element covers: y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)"""

def bilinear_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased (bi)linear resampling: y = sum t a, t a triangle as wide as the scale asks"""

def bilinear_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased (bi)linear resampling: y = sum t a, t a triangle as wide as the scale asks"""

def bilinear_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased (bi)linear resampling: y = sum t a, t a triangle as wide as the scale asks"""

def bicubic_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased (bi)cubic resampling: y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks"""

def bicubic_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased (bi)cubic resampling: y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks"""

def bicubic_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased (bi)cubic resampling: y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks"""

def lanczos_pool1d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased Lanczos resampling: y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks"""

def lanczos_pool2d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased Lanczos resampling: y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks"""

def lanczos_pool3d(input: Tensor, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> Tensor:
    """antialiased Lanczos resampling: y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks"""
