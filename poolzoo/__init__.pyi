"""The operators as modules, and the other names that this package offers.

Written by `make catalog`: edit the operators instead.
"""

import torch
from torch import Tensor

from poolzoo.operators.lifting import Step as Step
from poolzoo.operators.multisampling import Permutation as Permutation
from poolzoo.geometry import IntOrTuple as IntOrTuple, Sizes as Sizes

from poolzoo import analysis as analysis
from poolzoo import checkered as checkered
from poolzoo import compat as compat
from poolzoo import functional as functional
from poolzoo import metrics as metrics
from poolzoo import models as models
from poolzoo import native as native
from poolzoo import operators as operators
from poolzoo import reports as reports
from poolzoo import surgery as surgery
from poolzoo.api.result import Result as Result
from poolzoo.api.comparing import compare as compare
from poolzoo.create import create_pool as create_pool
from poolzoo.api.exporting import export as export
from poolzoo.api.studies import fit as fit
from poolzoo.api.reading import load as load
from poolzoo.api.studies import profile as profile
from poolzoo.api.models import profile_model as profile_model
from poolzoo.api.training import record_training as record_training
from poolzoo.analysis.results.schema import register_metric as register_metric
from poolzoo.api.reading import report as report
from poolzoo.api.studies import sweep as sweep
from poolzoo.api.training import train as train
from poolzoo.api.drawing import visualize_checkered as visualize_checkered
from poolzoo.api.drawing import visualize_weights as visualize_weights
from poolzoo.checkered import CheckeredAvgPool2d as CheckeredAvgPool2d
from poolzoo.checkered import CheckeredConv1d as CheckeredConv1d
from poolzoo.checkered import CheckeredConv2d as CheckeredConv2d
from poolzoo.checkered import CheckeredMaxPool2d as CheckeredMaxPool2d
from poolzoo.checkered import convert_to_checkered as convert_to_checkered
from poolzoo.surgery import create_model as create_model
from poolzoo.surgery import list_models as list_models
from poolzoo.surgery import replace_pools as replace_pools
from poolzoo.operators.base import Pool as Pool
from poolzoo.operators.adapool import _AdaUnpool as _AdaUnpool
from poolzoo.registry import PoolInfo as PoolInfo
from poolzoo.registry import list_pools as list_pools
from poolzoo.registry import pool_info as pool_info
from poolzoo.registry import register_pool as register_pool
from poolzoo.operators.adaptive import AdaptivePool

__version__: str

class AdaUnpool1d(_AdaUnpool):
    """Module of :func:`ada_unpool1d` with a learned share; it takes the arguments of ``AdaPool1d``."""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaUnpool2d(_AdaUnpool):
    """Module of :func:`ada_unpool2d` with a learned share; it takes the arguments of ``AdaPool2d``."""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaUnpool3d(_AdaUnpool):
    """Module of :func:`ada_unpool3d` with a learned share; it takes the arguments of ``AdaPool3d``."""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class MaxPool1d(Pool):
    """largest element of the window: y = max a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> None: ...

class MaxPool2d(Pool):
    """largest element of the window: y = max a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> None: ...

class MaxPool3d(Pool):
    """largest element of the window: y = max a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> None: ...

class AdaptiveMaxPool1d(AdaptivePool):
    """largest element of the window: y = max a"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class AdaptiveMaxPool2d(AdaptivePool):
    """largest element of the window: y = max a"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class AdaptiveMaxPool3d(AdaptivePool):
    """largest element of the window: y = max a"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class GlobalMaxPool1d(AdaptivePool):
    """largest element of the window: y = max a"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class GlobalMaxPool2d(AdaptivePool):
    """largest element of the window: y = max a"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class GlobalMaxPool3d(AdaptivePool):
    """largest element of the window: y = max a"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class AvgPool1d(Pool):
    """mean of the window: y = mean a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False, backend: str = 'auto') -> None: ...

class AvgPool2d(Pool):
    """mean of the window: y = mean a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False, backend: str = 'auto') -> None: ...

class AvgPool3d(Pool):
    """mean of the window: y = mean a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False, backend: str = 'auto') -> None: ...

class AdaptiveAvgPool1d(AdaptivePool):
    """mean of the window: y = mean a"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class AdaptiveAvgPool2d(AdaptivePool):
    """mean of the window: y = mean a"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class AdaptiveAvgPool3d(AdaptivePool):
    """mean of the window: y = mean a"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class GlobalAvgPool1d(AdaptivePool):
    """mean of the window: y = mean a"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class GlobalAvgPool2d(AdaptivePool):
    """mean of the window: y = mean a"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class GlobalAvgPool3d(AdaptivePool):
    """mean of the window: y = mean a"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class SumPool1d(Pool):
    """sum of the window: y = sum a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SumPool2d(Pool):
    """sum of the window: y = sum a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SumPool3d(Pool):
    """sum of the window: y = sum a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AdaptiveSumPool1d(AdaptivePool):
    """sum of the window: y = sum a"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveSumPool2d(AdaptivePool):
    """sum of the window: y = sum a"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveSumPool3d(AdaptivePool):
    """sum of the window: y = sum a"""

    def __init__(self, output_size: Sizes) -> None: ...

class GlobalSumPool1d(AdaptivePool):
    """sum of the window: y = sum a"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalSumPool2d(AdaptivePool):
    """sum of the window: y = sum a"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalSumPool3d(AdaptivePool):
    """sum of the window: y = sum a"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class StridedPool1d(Pool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class StridedPool2d(Pool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class StridedPool3d(Pool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AdaptiveStridedPool1d(AdaptivePool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveStridedPool2d(AdaptivePool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveStridedPool3d(AdaptivePool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, output_size: Sizes) -> None: ...

class GlobalStridedPool1d(AdaptivePool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalStridedPool2d(AdaptivePool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalStridedPool3d(AdaptivePool):
    """first element of the window, plain decimation: y = a_1"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class MedianPool1d(Pool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class MedianPool2d(Pool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class MedianPool3d(Pool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AdaptiveMedianPool1d(AdaptivePool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveMedianPool2d(AdaptivePool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveMedianPool3d(AdaptivePool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, output_size: Sizes) -> None: ...

class GlobalMedianPool1d(AdaptivePool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalMedianPool2d(AdaptivePool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalMedianPool3d(AdaptivePool):
    """median of the window: y = median a, the mean of the two middle elements where |R| is even"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class LpPool1d(Pool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class LpPool2d(Pool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class LpPool3d(Pool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class AdaptiveLpPool1d(AdaptivePool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, output_size: Sizes, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class AdaptiveLpPool2d(AdaptivePool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, output_size: Sizes, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class AdaptiveLpPool3d(AdaptivePool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, output_size: Sizes, *, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class GlobalLpPool1d(AdaptivePool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, *, flatten: bool = False, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class GlobalLpPool2d(AdaptivePool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, *, flatten: bool = False, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class GlobalLpPool3d(AdaptivePool):
    """Lp norm of the window: y = (mean |a|^p)^(1/p)"""

    def __init__(self, *, flatten: bool = False, p: float | Tensor = 2.0, norm: str = 'mean', backend: str = 'auto') -> None: ...

class PowerPool1d(Pool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class PowerPool2d(Pool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class PowerPool3d(Pool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptivePowerPool1d(AdaptivePool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, output_size: Sizes, *, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptivePowerPool2d(AdaptivePool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, output_size: Sizes, *, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptivePowerPool3d(AdaptivePool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, output_size: Sizes, *, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalPowerPool1d(AdaptivePool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, *, flatten: bool = False, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalPowerPool2d(AdaptivePool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, *, flatten: bool = False, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalPowerPool3d(AdaptivePool):
    """Lp norm with p learned: y = (mean |a|^p)^(1/p), p = 1 + softplus(raw)"""

    def __init__(self, *, flatten: bool = False, p: float = 3.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GemPool1d(Pool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GemPool2d(Pool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GemPool3d(Pool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveGemPool1d(AdaptivePool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, output_size: Sizes, *, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveGemPool2d(AdaptivePool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, output_size: Sizes, *, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveGemPool3d(AdaptivePool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, output_size: Sizes, *, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalGemPool1d(AdaptivePool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, *, flatten: bool = False, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalGemPool2d(AdaptivePool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, *, flatten: bool = False, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalGemPool3d(AdaptivePool):
    """generalised mean with p learned: y = (mean max(a, eps)^p)^(1/p)"""

    def __init__(self, *, flatten: bool = False, p: float = 3.0, eps: float = 1e-06, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LsePool1d(Pool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, r: float = 1.0) -> None: ...

class LsePool2d(Pool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, r: float = 1.0) -> None: ...

class LsePool3d(Pool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, r: float = 1.0) -> None: ...

class AdaptiveLsePool1d(AdaptivePool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, output_size: Sizes, *, r: float = 1.0) -> None: ...

class AdaptiveLsePool2d(AdaptivePool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, output_size: Sizes, *, r: float = 1.0) -> None: ...

class AdaptiveLsePool3d(AdaptivePool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, output_size: Sizes, *, r: float = 1.0) -> None: ...

class GlobalLsePool1d(AdaptivePool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, *, flatten: bool = False, r: float = 1.0) -> None: ...

class GlobalLsePool2d(AdaptivePool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, *, flatten: bool = False, r: float = 1.0) -> None: ...

class GlobalLsePool3d(AdaptivePool):
    """log of the mean of exponentials: y = (1/r) log mean exp(r a)"""

    def __init__(self, *, flatten: bool = False, r: float = 1.0) -> None: ...

class HannL2Pool1d(Pool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False) -> None: ...

class HannL2Pool2d(Pool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False) -> None: ...

class HannL2Pool3d(Pool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, count_include_pad: bool = False) -> None: ...

class AdaptiveHannL2Pool1d(AdaptivePool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveHannL2Pool2d(AdaptivePool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveHannL2Pool3d(AdaptivePool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, output_size: Sizes) -> None: ...

class GlobalHannL2Pool1d(AdaptivePool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalHannL2Pool2d(AdaptivePool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalHannL2Pool3d(AdaptivePool):
    """L2 norm of the window under a Hann window: y = sqrt(sum h a^2 + 1e-12), h the Hann window, of sum 1"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class StochasticPool1d(Pool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, generator: torch.Generator | None = None) -> None: ...

class StochasticPool2d(Pool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, generator: torch.Generator | None = None) -> None: ...

class StochasticPool3d(Pool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, generator: torch.Generator | None = None) -> None: ...

class AdaptiveStochasticPool1d(AdaptivePool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, output_size: Sizes, *, generator: torch.Generator | None = None) -> None: ...

class AdaptiveStochasticPool2d(AdaptivePool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, output_size: Sizes, *, generator: torch.Generator | None = None) -> None: ...

class AdaptiveStochasticPool3d(AdaptivePool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, output_size: Sizes, *, generator: torch.Generator | None = None) -> None: ...

class GlobalStochasticPool1d(AdaptivePool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, *, flatten: bool = False, generator: torch.Generator | None = None) -> None: ...

class GlobalStochasticPool2d(AdaptivePool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, *, flatten: bool = False, generator: torch.Generator | None = None) -> None: ...

class GlobalStochasticPool3d(AdaptivePool):
    """an element drawn in proportion to its value; their expectation in evaluation: train: y = a_l, l ~ p; eval: y = sum p a; p = a / sum a, a >= 0"""

    def __init__(self, *, flatten: bool = False, generator: torch.Generator | None = None) -> None: ...

class S3Pool1d(Pool):
    """dense maximum, then rows and columns drawn; in evaluation its average: train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, grid: IntOrTuple | None = None, generator: torch.Generator | None = None) -> None: ...

class S3Pool2d(Pool):
    """dense maximum, then rows and columns drawn; in evaluation its average: train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, grid: IntOrTuple | None = None, generator: torch.Generator | None = None) -> None: ...

class S3Pool3d(Pool):
    """dense maximum, then rows and columns drawn; in evaluation its average: train: y = max pool at stride 1, stride-th part of each grid's rows and columns; eval: their mean"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, grid: IntOrTuple | None = None, generator: torch.Generator | None = None) -> None: ...

class FractionalMaxPool1d(Pool):
    """largest element of windows at uneven, random steps: y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, output_ratio: float | None = None, generator: torch.Generator | None = None) -> None: ...

class FractionalMaxPool2d(Pool):
    """largest element of windows at uneven, random steps: y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, output_ratio: float | None = None, generator: torch.Generator | None = None) -> None: ...

class FractionalMaxPool3d(Pool):
    """largest element of windows at uneven, random steps: y_i = max over the window that starts at floor((i + u) r) - floor(u r), r = (n - k) / (out - 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, output_ratio: float | None = None, generator: torch.Generator | None = None) -> None: ...

class GaussianPool1d(Pool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GaussianPool2d(Pool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GaussianPool3d(Pool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveGaussianPool1d(AdaptivePool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveGaussianPool2d(AdaptivePool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveGaussianPool3d(AdaptivePool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalGaussianPool1d(AdaptivePool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalGaussianPool2d(AdaptivePool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalGaussianPool3d(AdaptivePool):
    """mean plus a learned multiple of the standard deviation, random in training: y = mu + softplus(m) sigma; train: y = mu + softplus(m + s e) sigma, e standard normal"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, hidden: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class MixedPool1d(Pool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class MixedPool2d(Pool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class MixedPool3d(Pool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveMixedPool1d(AdaptivePool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, output_size: Sizes, *, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveMixedPool2d(AdaptivePool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, output_size: Sizes, *, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveMixedPool3d(AdaptivePool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, output_size: Sizes, *, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalMixedPool1d(AdaptivePool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, *, flatten: bool = False, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalMixedPool2d(AdaptivePool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, *, flatten: bool = False, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalMixedPool3d(AdaptivePool):
    """a share of the maximum and the rest of the average: y = lam max a + (1 - lam) mean a"""

    def __init__(self, *, flatten: bool = False, mode: str = 'learned', lam: float = 0.5, channels: int | None = None, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GatedPool1d(Pool):
    """maximum and average, mixed in a share computed from the window: y = s max a + (1 - s) mean a, s = sigmoid(w . a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GatedPool2d(Pool):
    """maximum and average, mixed in a share computed from the window: y = s max a + (1 - s) mean a, s = sigmoid(w . a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GatedPool3d(Pool):
    """maximum and average, mixed in a share computed from the window: y = s max a + (1 - s) mean a, s = sigmoid(w . a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class TreePool1d(Pool):
    """learned filters, mixed pair by pair in shares computed from the window: leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, depth: int = 2, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class TreePool2d(Pool):
    """learned filters, mixed pair by pair in shares computed from the window: leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, depth: int = 2, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class TreePool3d(Pool):
    """learned filters, mixed pair by pair in shares computed from the window: leaf: f = v . a; node: f = s f_left + (1 - s) f_right, s = sigmoid(w . a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, depth: int = 2, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class SoftPool1d(Pool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class SoftPool2d(Pool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class SoftPool3d(Pool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class AdaptiveSoftPool1d(AdaptivePool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class AdaptiveSoftPool2d(AdaptivePool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class AdaptiveSoftPool3d(AdaptivePool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, output_size: Sizes, *, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class GlobalSoftPool1d(AdaptivePool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class GlobalSoftPool2d(AdaptivePool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class GlobalSoftPool3d(AdaptivePool):
    """sum of the window weighted by its softmax: y = sum w a, w = softmax(beta a)"""

    def __init__(self, *, flatten: bool = False, beta: float | Tensor = 1.0, backend: str = 'auto') -> None: ...

class SoftPoolDetached1d(Pool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0) -> None: ...

class SoftPoolDetached2d(Pool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0) -> None: ...

class SoftPoolDetached3d(Pool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float | Tensor = 1.0) -> None: ...

class AdaptiveSoftPoolDetached1d(AdaptivePool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, output_size: Sizes, *, beta: float | Tensor = 1.0) -> None: ...

class AdaptiveSoftPoolDetached2d(AdaptivePool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, output_size: Sizes, *, beta: float | Tensor = 1.0) -> None: ...

class AdaptiveSoftPoolDetached3d(AdaptivePool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, output_size: Sizes, *, beta: float | Tensor = 1.0) -> None: ...

class GlobalSoftPoolDetached1d(AdaptivePool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, *, flatten: bool = False, beta: float | Tensor = 1.0) -> None: ...

class GlobalSoftPoolDetached2d(AdaptivePool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, *, flatten: bool = False, beta: float | Tensor = 1.0) -> None: ...

class GlobalSoftPoolDetached3d(AdaptivePool):
    """SoftPool whose weights are constants to autograd: y = sum w a, w = softmax(beta a), dy/da = w"""

    def __init__(self, *, flatten: bool = False, beta: float | Tensor = 1.0) -> None: ...

class SoftPoolChannelsum1d(Pool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SoftPoolChannelsum2d(Pool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SoftPoolChannelsum3d(Pool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AdaptiveSoftPoolChannelsum1d(AdaptivePool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveSoftPoolChannelsum2d(AdaptivePool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, output_size: Sizes) -> None: ...

class AdaptiveSoftPoolChannelsum3d(AdaptivePool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, output_size: Sizes) -> None: ...

class GlobalSoftPoolChannelsum1d(AdaptivePool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalSoftPoolChannelsum2d(AdaptivePool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class GlobalSoftPoolChannelsum3d(AdaptivePool):
    """SoftPool with one mask summed over the channels, negative results set to 0: y = max(0, sum m a / sum m), m = sum over channels of exp(a)"""

    def __init__(self, *, flatten: bool = False) -> None: ...

class AutoPool1d(Pool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AutoPool2d(Pool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AutoPool3d(Pool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveAutoPool1d(AdaptivePool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, output_size: Sizes, *, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveAutoPool2d(AdaptivePool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, output_size: Sizes, *, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveAutoPool3d(AdaptivePool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, output_size: Sizes, *, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalAutoPool1d(AdaptivePool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, *, flatten: bool = False, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalAutoPool2d(AdaptivePool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, *, flatten: bool = False, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalAutoPool3d(AdaptivePool):
    """softpool with beta learned: y = sum w a, w = softmax(beta a)"""

    def __init__(self, *, flatten: bool = False, beta: float = 1.0, channels: int | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class OwaPool1d(Pool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class OwaPool2d(Pool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class OwaPool3d(Pool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveOwaPool1d(AdaptivePool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, output_size: Sizes, *, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveOwaPool2d(AdaptivePool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, output_size: Sizes, *, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveOwaPool3d(AdaptivePool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, output_size: Sizes, *, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalOwaPool1d(AdaptivePool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, *, flatten: bool = False, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalOwaPool2d(AdaptivePool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, *, flatten: bool = False, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalOwaPool3d(AdaptivePool):
    """elements weighted by their rank in the window: y = sum w_i a_(i), a_(1) >= a_(2) >= ..."""

    def __init__(self, *, flatten: bool = False, ranks: int | None = None, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class TMaxAvgPool1d(Pool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class TMaxAvgPool2d(Pool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class TMaxAvgPool3d(Pool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class AdaptiveTMaxAvgPool1d(AdaptivePool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, output_size: Sizes, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class AdaptiveTMaxAvgPool2d(AdaptivePool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, output_size: Sizes, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class AdaptiveTMaxAvgPool3d(AdaptivePool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, output_size: Sizes, *, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class GlobalTMaxAvgPool1d(AdaptivePool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, *, flatten: bool = False, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class GlobalTMaxAvgPool2d(AdaptivePool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, *, flatten: bool = False, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class GlobalTMaxAvgPool3d(AdaptivePool):
    """maximum where the largest elements reach a threshold, else their mean: y = max a if the K largest are all >= T, else the mean of the K largest"""

    def __init__(self, *, flatten: bool = False, k: int = 3, threshold: float = 0.5, when: str = 'all') -> None: ...

class LipPool1d(Pool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LipPool2d(Pool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LipPool3d(Pool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveLipPool1d(AdaptivePool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveLipPool2d(AdaptivePool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveLipPool3d(AdaptivePool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalLipPool1d(AdaptivePool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalLipPool2d(AdaptivePool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalLipPool3d(AdaptivePool):
    """sum of the window weighted by e^G, G a small network over the feature map: y = sum a e^G(a) / sum e^G(a)"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, variant: str = 'simplified', width: int = 128, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class EdscwPool1d(Pool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> None: ...

class EdscwPool2d(Pool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> None: ...

class EdscwPool3d(Pool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, backend: str = 'auto') -> None: ...

class AdaptiveEdscwPool1d(AdaptivePool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class AdaptiveEdscwPool2d(AdaptivePool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class AdaptiveEdscwPool3d(AdaptivePool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, output_size: Sizes, *, backend: str = 'auto') -> None: ...

class GlobalEdscwPool1d(AdaptivePool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class GlobalEdscwPool2d(AdaptivePool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class GlobalEdscwPool3d(AdaptivePool):
    """sum of the window weighted by the exponent of each element's similarity to the mean: y = sum w a, w = softmax(DSC(a, mean a)), DSC(a, m) = 2 |a m| / (a^2 + m^2)"""

    def __init__(self, *, flatten: bool = False, backend: str = 'auto') -> None: ...

class IdwPool1d(Pool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class IdwPool2d(Pool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class IdwPool3d(Pool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class AdaptiveIdwPool1d(AdaptivePool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, output_size: Sizes, *, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class AdaptiveIdwPool2d(AdaptivePool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, output_size: Sizes, *, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class AdaptiveIdwPool3d(AdaptivePool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, output_size: Sizes, *, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class GlobalIdwPool1d(AdaptivePool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, *, flatten: bool = False, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class GlobalIdwPool2d(AdaptivePool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, *, flatten: bool = False, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class GlobalIdwPool3d(AdaptivePool):
    """sum of the window weighted by the inverse of each element's distance to the mean: y = sum w a / sum w, w = 1 / (d + eps mean d), d = |a - mean a|"""

    def __init__(self, *, flatten: bool = False, eps: float = 1e-06, backend: str = 'auto') -> None: ...

class AdaPool1d(Pool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaPool2d(Pool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaPool3d(Pool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveAdaPool1d(AdaptivePool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, output_size: Sizes, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveAdaPool2d(AdaptivePool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, output_size: Sizes, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveAdaPool3d(AdaptivePool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, output_size: Sizes, *, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalAdaPool1d(AdaptivePool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, *, flatten: bool = False, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalAdaPool2d(AdaptivePool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, *, flatten: bool = False, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalAdaPool3d(AdaptivePool):
    """a learned share of edscw and the rest of softpool: y = beta edscw(a) + (1 - beta) softpool(a)"""

    def __init__(self, *, flatten: bool = False, beta: float = 0.5, cells: IntOrTuple | None = None, backend: str = 'auto', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class DppPool1d(Pool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, variant: str = 'lite', reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class DppPool2d(Pool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, variant: str = 'lite', reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class DppPool3d(Pool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, variant: str = 'lite', reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveDppPool1d(AdaptivePool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, output_size: Sizes, *, reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveDppPool2d(AdaptivePool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, output_size: Sizes, *, reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveDppPool3d(AdaptivePool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, output_size: Sizes, *, reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalDppPool1d(AdaptivePool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, *, flatten: bool = False, reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalDppPool2d(AdaptivePool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, *, flatten: bool = False, reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalDppPool3d(AdaptivePool):
    """mean of the window weighted by the distance from a smoothed version: y = sum w a / sum w, w = alpha + sqrt(d^2 + eps^2)^lam, d = a - s or max(0, a - s)"""

    def __init__(self, *, flatten: bool = False, reward: str = 'symmetric', alpha: float = 1.0, lam: float = 1.0, eps: float = 0.001, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class BlurPool1d(Pool):
    """binomial low-pass filter, then decimation: y = sum b a, b the binomial row of filt_size taps centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class BlurPool2d(Pool):
    """binomial low-pass filter, then decimation: y = sum b a, b the binomial row of filt_size taps centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class BlurPool3d(Pool):
    """binomial low-pass filter, then decimation: y = sum b a, b the binomial row of filt_size taps centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class MaxBlurPool1d(Pool):
    """dense maximum, then binomial filter and decimation: y = blur(max pool at stride 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class MaxBlurPool2d(Pool):
    """dense maximum, then binomial filter and decimation: y = blur(max pool at stride 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class MaxBlurPool3d(Pool):
    """dense maximum, then binomial filter and decimation: y = blur(max pool at stride 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class AvgBlurPool1d(Pool):
    """dense average, then binomial filter and decimation: y = blur(average pool at stride 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class AvgBlurPool2d(Pool):
    """dense average, then binomial filter and decimation: y = blur(average pool at stride 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class AvgBlurPool3d(Pool):
    """dense average, then binomial filter and decimation: y = blur(average pool at stride 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, filt_size: int = 4) -> None: ...

class PasaPool1d(Pool):
    """low-pass filter predicted from the input at each place and for each group of channels, then decimation: y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, groups: int = 1, filt_size: int = 3, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class PasaPool2d(Pool):
    """low-pass filter predicted from the input at each place and for each group of channels, then decimation: y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, groups: int = 1, filt_size: int = 3, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class PasaPool3d(Pool):
    """low-pass filter predicted from the input at each place and for each group of channels, then decimation: y = sum w a, w = softmax(conv(x) + b) over the filter's taps, centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, groups: int = 1, filt_size: int = 3, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class HaarPool1d(Pool):
    """low-pass (LL) band of the Haar wavelet transform: y = sum h a, h = (1, 1) / sqrt 2 along each axis"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class HaarPool2d(Pool):
    """low-pass (LL) band of the Haar wavelet transform: y = sum h a, h = (1, 1) / sqrt 2 along each axis"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class HaarPool3d(Pool):
    """low-pass (LL) band of the Haar wavelet transform: y = sum h a, h = (1, 1) / sqrt 2 along each axis"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class WaveletPool1d(Pool):
    """low-pass (LL) band of a wavelet transform, Daubechies 2 by default: y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, wavelet: str = 'db2', mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class WaveletPool2d(Pool):
    """low-pass (LL) band of a wavelet transform, Daubechies 2 by default: y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, wavelet: str = 'db2', mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class WaveletPool3d(Pool):
    """low-pass (LL) band of a wavelet transform, Daubechies 2 by default: y = sum h a, h the wavelet's low-pass filter along each axis, centred on the window"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, wavelet: str = 'db2', mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class HwdPool1d(Pool):
    """all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost: y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class HwdPool2d(Pool):
    """all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost: y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class HwdPool3d(Pool):
    """all bands of the Haar wavelet transform are kept, each as a submap: nothing is lost: y_b = sum h_b a, h_b a product of (1, 1) / sqrt 2 or (1, -1) / sqrt 2 along each axis"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, mode: str = 'symmetric', norm: str = 'ortho') -> None: ...

class SpectralPool1d(Pool):
    """the low frequencies of the whole input's Fourier transform: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SpectralPool2d(Pool):
    """the low frequencies of the whole input's Fourier transform: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SpectralPool3d(Pool):
    """the low frequencies of the whole input's Fourier transform: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class FlcPool1d(Pool):
    """FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class FlcPool2d(Pool):
    """FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class FlcPool3d(Pool):
    """FrequencyLowCut pooling: the crop of spectral, under the name by which robustness papers know it: y = Re F^-1(crop(F(x))), the crop centred on frequency 0"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AsapPool1d(Pool):
    """the low frequencies of the whole input, tapered by the root of a Hamming window against ringing: y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, window: str = 'centred') -> None: ...

class AsapPool2d(Pool):
    """the low frequencies of the whole input, tapered by the root of a Hamming window against ringing: y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, window: str = 'centred') -> None: ...

class AsapPool3d(Pool):
    """the low frequencies of the whole input, tapered by the root of a Hamming window against ringing: y = Re F^-1(crop(h F(x))), h = sqrt(outer Hamming window)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, window: str = 'centred') -> None: ...

class DiffStridePool1d(Pool):
    """the low frequencies of the whole input, with a learned stride that says where they fade out: y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, strides: float | tuple[float, ...] | None = None, smoothness: float = 4.0, size: str = 'asked', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class DiffStridePool2d(Pool):
    """the low frequencies of the whole input, with a learned stride that says where they fade out: y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, strides: float | tuple[float, ...] | None = None, smoothness: float = 4.0, size: str = 'asked', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class DiffStridePool3d(Pool):
    """the low frequencies of the whole input, with a learned stride that says where they fade out: y = Re F^-1(crop(prod_axes m(k) F(x))), m(k) = clip((R + n / (2 S) - |k|) / R, 0, 1)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, strides: float | tuple[float, ...] | None = None, smoothness: float = 4.0, size: str = 'asked', device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LiftPool1d(Pool):
    """sum of the sub-bands of a learned lifting scheme: y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LiftPool2d(Pool):
    """sum of the sub-bands of a learned lifting scheme: y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LiftPool3d(Pool):
    """sum of the sub-bands of a learned lifting scheme: y = sum of the sub-bands; along each axis d = a_odd - P(a_even), s = a_even + U(d)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class CheckeredPool2d(Pool):
    """dense pooling; two phases of each 2x2 cell are kept as two submaps: y = (dense[0::2, 0::2], dense[1::2, 1::2]), dense = pool at stride 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max', sampler: int | str = 0, generator: torch.Generator | None = None) -> None: ...

class TriPool2d(Pool):
    """dense pooling; three phases of each 3x3 cell, no two in the same row or column, are kept as submaps: y_r = dense[r::3, p_r::3], r = 0, 1, 2, p a permutation, dense = pool at stride 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max', sampler: int | str = 0, generator: torch.Generator | None = None) -> None: ...

class CompletePool2d(Pool):
    """dense pooling; all phases are kept, each as a submap: y_ij = dense[i::s, j::s], dense = pool at stride 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max') -> None: ...

class MultisamplingPool2d(Pool):
    """dense pooling; the k phases that a sampler selects from each k x k cell are kept as k submaps: y_r = dense[r::k, p_r::k], r = 0 .. k-1, p the sampler, dense = pool at stride 1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, pool: str = 'max', sampler: Permutation = ...) -> None: ...

class SpaceToDepthPool1d(Pool):
    """all phases of each cell are kept, each as a submap: nothing is lost: y_ij = x[i::s, j::s], i, j = 0 .. s-1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SpaceToDepthPool2d(Pool):
    """all phases of each cell are kept, each as a submap: nothing is lost: y_ij = x[i::s, j::s], i, j = 0 .. s-1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class SpaceToDepthPool3d(Pool):
    """all phases of each cell are kept, each as a submap: nothing is lost: y_ij = x[i::s, j::s], i, j = 0 .. s-1"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class ApsPool1d(Pool):
    """adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm: y = x[f::s], f = argmax_f |x[f::s]|_p"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 2.0, filt_size: int = 1) -> None: ...

class ApsPool2d(Pool):
    """adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm: y = x[f::s], f = argmax_f |x[f::s]|_p"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 2.0, filt_size: int = 1) -> None: ...

class ApsPool3d(Pool):
    """adaptive polyphase sampling: of all phases of the cells, each sample keeps the one of largest norm: y = x[f::s], f = argmax_f |x[f::s]|_p"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, p: float = 2.0, filt_size: int = 1) -> None: ...

class LpsPool1d(Pool):
    """learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps: y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, hidden: int | None = None, tau: float = 1.0, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LpsPool2d(Pool):
    """learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps: y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, hidden: int | None = None, tau: float = 1.0, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class LpsPool3d(Pool):
    """learnable polyphase sampling: a small network chooses which phase of the cells a sample keeps: y = x[f::s], f = argmax_f l_f; train: y = sum w_f x[f::s], w = softmax((l + Gumbel noise) / tau)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, hidden: int | None = None, tau: float = 1.0, generator: torch.Generator | None = None, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class RmacPool2d(Pool):
    """R-MAC: the maxima of square regions, as unit vectors over the channels, added up: y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, levels: int = 3) -> None: ...

class AdaptiveRmacPool2d(AdaptivePool):
    """R-MAC: the maxima of square regions, as unit vectors over the channels, added up: y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R"""

    def __init__(self, output_size: Sizes, *, levels: int = 3) -> None: ...

class GlobalRmacPool2d(AdaptivePool):
    """R-MAC: the maxima of square regions, as unit vectors over the channels, added up: y = sum_R m_R / (|m_R| + 1e-6), m_R the channels' maxima in region R"""

    def __init__(self, *, flatten: bool = False, levels: int = 3) -> None: ...

class SimPool1d(Pool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class SimPool2d(Pool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class SimPool3d(Pool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False, *, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveSimPool1d(AdaptivePool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveSimPool2d(AdaptivePool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AdaptiveSimPool3d(AdaptivePool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, output_size: Sizes, *, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalSimPool1d(AdaptivePool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalSimPool2d(AdaptivePool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class GlobalSimPool3d(AdaptivePool):
    """SimPool: attention whose query is the window's mean, and a power mean of the values it weights: y = (sum w (v - min v + 1e-6)^g)^(1/g), w = softmax(q k / sqrt C), q = Q mean(a), k = K v, v = LN(a)"""

    def __init__(self, *, flatten: bool = False, channels: int | None = None, gamma: float | None = 2.0, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None: ...

class AreaPool1d(Pool):
    """mean of the area that each output element covers: y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AreaPool2d(Pool):
    """mean of the area that each output element covers: y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class AreaPool3d(Pool):
    """mean of the area that each output element covers: y = mean of the inputs i with floor(o n / m) <= i < ceil((o + 1) n / m)"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class BilinearPool1d(Pool):
    """antialiased (bi)linear resampling: y = sum t a, t a triangle as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class BilinearPool2d(Pool):
    """antialiased (bi)linear resampling: y = sum t a, t a triangle as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class BilinearPool3d(Pool):
    """antialiased (bi)linear resampling: y = sum t a, t a triangle as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class BicubicPool1d(Pool):
    """antialiased (bi)cubic resampling: y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class BicubicPool2d(Pool):
    """antialiased (bi)cubic resampling: y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class BicubicPool3d(Pool):
    """antialiased (bi)cubic resampling: y = sum c a, c the cubic convolution kernel (a = -0.5) as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class LanczosPool1d(Pool):
    """antialiased Lanczos resampling: y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class LanczosPool2d(Pool):
    """antialiased Lanczos resampling: y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...

class LanczosPool3d(Pool):
    """antialiased Lanczos resampling: y = sum l a, l(t) = sinc(t) sinc(t / 3), |t| < 3, as wide as the scale asks"""

    def __init__(self, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, padding: IntOrTuple = 0, dilation: IntOrTuple = 1, ceil_mode: bool = False) -> None: ...
