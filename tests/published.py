"""Names and shapes of what the authors' checkpoints hold, written from their model code, not from this package.

SoftPool: github.com/alexandrosstergiou/SoftPool, main/models/{resnet,densent,inception}.py; LIP: github.com/sebgao/LIP,
imagenet/{lip_resnet,lip_densenet}.py. Their pools either have no parameters, or those named here.
"""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]
CLASSES = 1000
LIP_WIDTH = 128


def conv(name: str, out: int, into: int, *kernel: int) -> Shapes:
    return {f"{name}.weight": (out, into, *(kernel * 2 if len(kernel) == 1 else kernel))}


def batch_norm(name: str, channels: int) -> Shapes:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def instance_norm(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def linear(name: str, out: int, into: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def resnet(layers: tuple[int, ...], bottleneck: bool = True, groups: int = 1, width_per_group: int = 64) -> Shapes:
    """SoftPool's ResNet, ResNeXt and wide ResNet."""
    s = conv("conv1", 64, 3, 7) | batch_norm("bn1", 64)
    into = 64
    for stage, (planes, blocks) in enumerate(zip((64, 128, 256, 512), layers, strict=True)):
        for block in range(blocks):
            at = f"layer{stage + 1}.{block}"
            if bottleneck:
                out, width = 4 * planes, planes * width_per_group // 64 * groups
                s |= conv(f"{at}.conv1", width, into, 1) | batch_norm(f"{at}.bn1", width)
                s |= conv(f"{at}.conv2", width, width // groups, 3) | batch_norm(f"{at}.bn2", width)
                s |= conv(f"{at}.conv3", out, width, 1) | batch_norm(f"{at}.bn3", out)
            else:
                out = planes
                s |= conv(f"{at}.conv1", out, into, 3) | batch_norm(f"{at}.bn1", out)
                s |= conv(f"{at}.conv2", out, out, 3) | batch_norm(f"{at}.bn2", out)
            if block == 0 and (stage > 0 or into != out):
                s |= conv(f"{at}.downsample.0", out, into, 1) | batch_norm(f"{at}.downsample.1", out)
            into = out
    return s | linear("fc", CLASSES, into)


def lip_resnet(layers: tuple[int, ...]) -> Shapes:
    """LIP's ResNet: strided blocks share a logit, and name their shortcut's layers."""
    s = conv("conv1", 64, 3, 7) | batch_norm("bn1", 64)
    s |= conv("maxpool.logit.conv", 64, 64, 3) | instance_norm("maxpool.logit.bn", 64)
    into = 64
    for stage, (planes, blocks) in enumerate(zip((64, 128, 256, 512), layers, strict=True)):
        for block in range(blocks):
            at, out, strided = f"layer{stage + 1}.{block}", 4 * planes, stage > 0 and block == 0
            s |= conv(f"{at}.conv1", planes, into, 1) | batch_norm(f"{at}.bn1", planes)
            s |= batch_norm(f"{at}.bn2", planes)
            s |= conv(f"{at}.conv3", out, planes, 1) | batch_norm(f"{at}.bn3", out)
            if strided:
                shared = f"{at}.bottleneck_shared.logit"
                s |= conv(f"{shared}.conv1", LIP_WIDTH, into, 1) | instance_norm(f"{shared}.bn1", LIP_WIDTH)
                s |= conv(f"{shared}.conv2", LIP_WIDTH, LIP_WIDTH, 3) | instance_norm(f"{shared}.bn2", LIP_WIDTH)
                for lip, channels in ((f"{at}.conv2.0", planes), (f"{at}.downsample.lip", into)):
                    s |= conv(f"{lip}.postprocessing.conv", channels, LIP_WIDTH, 1)
                    s |= instance_norm(f"{lip}.postprocessing.bn", channels)
                s |= conv(f"{at}.conv2.1", planes, planes, 1)
            else:
                s |= conv(f"{at}.conv2", planes, planes, 3)
            if block == 0:
                s |= conv(f"{at}.downsample.conv", out, into, 1) | batch_norm(f"{at}.downsample.bn", out)
            into = out
    return s | linear("fc", CLASSES, into)


def densenet(config: tuple[int, ...], growth: int = 32, start: int = 64, lip: bool = False) -> Shapes:
    """SoftPool's DenseNet, and LIP's with the logits of its stem and its transitions."""
    s = conv("features.conv0", start, 3, 7) | batch_norm("features.norm0", start)
    if lip:
        s |= conv("features.pool0.logit.conv1", start, start, 3) | instance_norm("features.pool0.logit.bn1", start)
    channels = start
    for block, layers in enumerate(config, 1):
        for layer in range(1, layers + 1):
            at = f"features.denseblock{block}.denselayer{layer}"
            s |= batch_norm(f"{at}.norm1", channels) | conv(f"{at}.conv1", 4 * growth, channels, 1)
            s |= batch_norm(f"{at}.norm2", 4 * growth) | conv(f"{at}.conv2", growth, 4 * growth, 3)
            channels += growth
        if block < len(config):
            at = f"features.transition{block}"
            s |= batch_norm(f"{at}.norm", channels) | conv(f"{at}.conv", channels // 2, channels, 1)
            channels //= 2
            if lip:
                at += ".pool.logit"
                s |= conv(f"{at}.conv1", LIP_WIDTH, channels, 1) | instance_norm(f"{at}.bn1", LIP_WIDTH)
                s |= conv(f"{at}.conv2", LIP_WIDTH, LIP_WIDTH, 3) | instance_norm(f"{at}.bn2", LIP_WIDTH)
                s |= conv(f"{at}.conv3", channels, LIP_WIDTH, 1) | instance_norm(f"{at}.bn3", channels)
    return s | batch_norm("features.norm5", channels) | linear("classifier", CLASSES, channels)


def _basic(name: str, out: int, into: int, *kernel: int) -> Shapes:
    return conv(f"{name}.conv", out, into, *kernel) | batch_norm(f"{name}.bn", out)


def inception_v3() -> Shapes:
    """SoftPool's Inception-v3, which has no auxiliary head by default."""
    s = _basic("Conv2d_1a_3x3", 32, 3, 3) | _basic("Conv2d_2a_3x3", 32, 32, 3) | _basic("Conv2d_2b_3x3", 64, 32, 3)
    s |= _basic("Conv2d_3b_1x1", 80, 64, 1) | _basic("Conv2d_4a_3x3", 192, 80, 3)
    for at, n, pool in (("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)):
        s |= _basic(f"{at}.branch1x1", 64, n, 1)
        s |= _basic(f"{at}.branch5x5_1", 48, n, 1) | _basic(f"{at}.branch5x5_2", 64, 48, 5)
        s |= _basic(f"{at}.branch3x3dbl_1", 64, n, 1) | _basic(f"{at}.branch3x3dbl_2", 96, 64, 3)
        s |= _basic(f"{at}.branch3x3dbl_3", 96, 96, 3) | _basic(f"{at}.branch_pool", pool, n, 1)
    s |= _basic("Mixed_6a.branch3x3", 384, 288, 3) | _basic("Mixed_6a.branch3x3dbl_1", 64, 288, 1)
    s |= _basic("Mixed_6a.branch3x3dbl_2", 96, 64, 3) | _basic("Mixed_6a.branch3x3dbl_3", 96, 96, 3)
    for at, c in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        s |= _basic(f"{at}.branch1x1", 192, 768, 1)
        s |= _basic(f"{at}.branch7x7_1", c, 768, 1) | _basic(f"{at}.branch7x7_2", c, c, 1, 7)
        s |= _basic(f"{at}.branch7x7_3", 192, c, 7, 1) | _basic(f"{at}.branch7x7dbl_1", c, 768, 1)
        s |= _basic(f"{at}.branch7x7dbl_2", c, c, 7, 1) | _basic(f"{at}.branch7x7dbl_3", c, c, 1, 7)
        s |= _basic(f"{at}.branch7x7dbl_4", c, c, 7, 1) | _basic(f"{at}.branch7x7dbl_5", 192, c, 1, 7)
        s |= _basic(f"{at}.branch_pool", 192, 768, 1)
    s |= _basic("Mixed_7a.branch3x3_1", 192, 768, 1) | _basic("Mixed_7a.branch3x3_2", 320, 192, 3)
    s |= _basic("Mixed_7a.branch7x7x3_1", 192, 768, 1) | _basic("Mixed_7a.branch7x7x3_2", 192, 192, 1, 7)
    s |= _basic("Mixed_7a.branch7x7x3_3", 192, 192, 7, 1) | _basic("Mixed_7a.branch7x7x3_4", 192, 192, 3)
    for at, n in (("Mixed_7b", 1280), ("Mixed_7c", 2048)):
        s |= _basic(f"{at}.branch1x1", 320, n, 1) | _basic(f"{at}.branch3x3_1", 384, n, 1)
        s |= _basic(f"{at}.branch3x3_2a", 384, 384, 1, 3) | _basic(f"{at}.branch3x3_2b", 384, 384, 3, 1)
        s |= _basic(f"{at}.branch3x3dbl_1", 448, n, 1) | _basic(f"{at}.branch3x3dbl_2", 384, 448, 3)
        s |= _basic(f"{at}.branch3x3dbl_3a", 384, 384, 1, 3) | _basic(f"{at}.branch3x3dbl_3b", 384, 384, 3, 1)
        s |= _basic(f"{at}.branch_pool", 192, n, 1)
    return s | linear("fc", CLASSES, 2048)


SOFTPOOL = {
    "resnet18": resnet((2, 2, 2, 2), bottleneck=False),
    "resnet34": resnet((3, 4, 6, 3), bottleneck=False),
    "resnet50": resnet((3, 4, 6, 3)),
    "resnet101": resnet((3, 4, 23, 3)),
    "resnet152": resnet((3, 8, 36, 3)),
    "resnext50_32x4d": resnet((3, 4, 6, 3), groups=32, width_per_group=4),
    "resnext101_32x4d": resnet((3, 4, 23, 3), groups=32, width_per_group=4),
    "resnext101_64x4d": resnet((3, 4, 23, 3), groups=64, width_per_group=4),
    "resnext101_32x8d": resnet((3, 4, 23, 3), groups=32, width_per_group=8),
    "wide_resnet50_2": resnet((3, 4, 6, 3), width_per_group=128),
    "wide_resnet101_2": resnet((3, 4, 23, 3), width_per_group=128),
    "densenet121": densenet((6, 12, 24, 16)),
    "densenet161": densenet((6, 12, 36, 24), growth=48, start=96),
    "densenet169": densenet((6, 12, 32, 32)),
    "densenet201": densenet((6, 12, 48, 32)),
    "inception_v3": inception_v3(),
}
LIP = {
    "resnet50": lip_resnet((3, 4, 6, 3)),
    "resnet101": lip_resnet((3, 4, 23, 3)),
    "resnet152": lip_resnet((3, 8, 36, 3)),
    "densenet121": densenet((6, 12, 24, 16), lip=True),
    "densenet161": densenet((6, 12, 36, 24), growth=48, start=96, lip=True),
    "densenet169": densenet((6, 12, 32, 32), lip=True),
    "densenet201": densenet((6, 12, 48, 32), lip=True),
}
#: Millions of parameters that the LIP authors' README gives.
LIP_MILLIONS = {"resnet50": 23.9, "resnet101": 42.9, "densenet121": 8.7}
