"""Normalizing flows: Keras networks inside bijectors of tfp.

1. Dinh, Sohl-Dickstein and Bengio, "Density Estimation Using Real NVP", 2017.
2. Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
   Estimation", 2017.
3. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
   2016.
"""

import keras
import numpy as np
import tensorflow_probability as tfp

from keras_gen.layers.affine_network import AffineNetwork

tfb = tfp.bijectors

KINDS = ("realnvp", "maf", "iaf")


class Flow(keras.layers.Layer):
    """Steps that shift and scale some dimensions by what others say, in turn reversed.

    "realnvp" [1]: half of the dimensions move, fast both ways. "maf" [2]: every
    dimension moves by those before it; fast from data to noise, a loop over dimensions
    from noise to data. "iaf" [3]: the other way round (here with an exponential scale
    in place of [3]'s gates).

    Args:
        dim: Dimensions; at least 2.
        kind: One of those above.
        num_steps: Steps, each with a network of its own.
        widths: Of the networks' hidden layers.
        context_dim: Numbers in a context that all steps see; 0 for none.
        **kwargs: Of the layer.
    """

    def __init__(
        self,
        dim,
        kind="realnvp",
        num_steps=8,
        widths=(128, 128),
        context_dim=0,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        if kind not in KINDS:
            raise ValueError(f"Expected a flow of {KINDS}, got {kind!r}.")
        if dim < 2 or num_steps < 1:
            raise ValueError(
                "Expected a flow of at least 2 dimensions and 1 step, got "
                f"{dim} and {num_steps}."
            )
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

    def bijector(self, context=None):
        """A `tfb.Bijector` over (..., dim), from noise to data.

        Args:
            context: float32 (batch, context_dim), where there is one.
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
