"""Normalizing flows: Keras networks inside bijectors of TensorFlow Probability.

1. Dinh, Sohl-Dickstein and Bengio, "Density Estimation Using Real NVP", 2017.
2. Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
   Estimation", 2017.
3. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
   2016.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import keras
import numpy as np
import tensorflow_probability as tfp
from annotated_types import Ge

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Natural
from keras_gen.layers.affine_network import AffineNetwork

tfb = tfp.bijectors


class Flow(keras.layers.Layer):
    """Steps that shift and scale dimensions by functions of other dimensions.

    The order of dimensions is reversed between steps. With "realnvp" [1], half of the
    dimensions change in a step; both directions are fast. With "maf" [2], every
    dimension changes by a function of the previous ones: the direction from data to
    noise is fast, the direction from noise to data takes a loop over dimensions. "iaf"
    [3] is the inverse of "maf" (here with an exponential scale instead of the gates of
    [3]).

    Args:
        dim: Number of dimensions, at least 2.
        kind: Kind of the steps: "realnvp", "maf" or "iaf".
        num_steps: Number of steps, each with a network of its own.
        widths: Units of each hidden layer of the networks.
        context_dim: Dimension of a context that all steps depend on; 0 for no context.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: For another kind, fewer than 2 dimensions, or no steps.
    """

    @checked
    def __init__(
        self,
        dim: Annotated[int, Ge(2)],
        kind: Literal["realnvp", "maf", "iaf"] = "realnvp",
        num_steps: Count = 8,
        widths: Sequence[Count] = (128, 128),
        context_dim: Natural = 0,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        self.dim, self.kind = dim, kind
        if kind == "realnvp":
            kept = dim // 2
            degrees = np.zeros(kept, int), np.ones(dim - kept, int)
        else:
            degrees = (np.arange(dim) + 1,) * 2
        self.networks = [
            AffineNetwork(*degrees, widths, context_dim, dtype="float32")
            for _ in range(num_steps)
        ]
        self.built = True

    def bijector(self, context=None) -> tfb.Bijector:
        """A bijector over (..., dim), from noise to data.

        Args:
            context: Context, float32 (batch, context_dim), if the flow has one.
        """
        steps = []
        for network in self.networks:
            steps.append(self._step(network, context))
            steps.append(tfb.Permute(np.arange(self.dim)[::-1]))
        return tfb.Chain(steps[:-1])

    def _step(self, network, context):
        def shift_and_log_scale(x, *_, **__):
            return network(x) if context is None else network(x, context)

        if self.kind == "realnvp":
            return tfb.RealNVP(
                num_masked=self.dim // 2, shift_and_log_scale_fn=shift_and_log_scale
            )
        step = tfb.MaskedAutoregressiveFlow(shift_and_log_scale)
        return step if self.kind == "maf" else tfb.Invert(step)
