"""The precision of a training's products."""

import torch


def products_dtype(device: str) -> torch.dtype:
    """The faster type for the products of a training on a device, `cpu` or `cuda`.

    bfloat16 has 1.7 times the speed of float32 where a CPU has AVX-512, and a fortieth of it in the
    backward pass where it has not (torch 2.13, AVX2).
    """
    # The check by which torch itself chooses among its products; there is no public one.
    slow = device == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.float32 if slow else torch.bfloat16
