"""Group normalization [1] whose scale and shift depend on a condition [2].

1. Wu and He, "Group Normalization", 2018.
2. Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis", 2021, section 3
   ("adaptive group normalization").
"""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_gen")
class ModulatedGroupNorm(layers.Layer):
    """y = norm(x) (1 + scale) + shift, with scale and shift linear in a condition [2].

    Scales are combined into one factor for each map. Statistics, scale and shift are
    float32 under every dtype policy, and so are the products, since the mean of maps
    may be much larger than their deviation. The modulation starts near 0.

    Args:
        groups: Largest number of groups of maps ([1]); it is lowered to a number that
            divides that of the maps.
        epsilon: Number that is added to variances.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, groups: int = 32, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.groups, self.epsilon = groups, epsilon

    def build(self, shapes):
        """Adds a scale and a shift for each map, and the condition's projection."""
        maps, condition = shapes[0][-1], shapes[1][-1]
        limit = min(self.groups, maps)
        self.used_groups = next(n for n in range(limit, 0, -1) if maps % n == 0)
        options = {"shape": (maps,), "dtype": "float32", "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)
        self.projection = layers.Dense(
            2 * maps,
            # Not 0, which would give the condition no gradient in the first step.
            kernel_initializer=keras.initializers.VarianceScaling(1e-4),
            dtype="float32",
            name="projection",
        )
        self.projection.build((None, condition))

    def call(self, inputs):
        """Maps (batch, height, width, maps) and conditions (batch, numbers) to maps."""
        x, condition = inputs
        maps, groups = x.shape[-1], self.used_groups

        def of_maps(values):
            """The mean over pixels and over the maps of a group, for each map."""
            means = ops.reshape(
                ops.mean(values, axis=(1, 2)), (-1, groups, maps // groups)
            )
            means = ops.repeat(ops.mean(means, axis=-1), maps // groups, axis=-1)
            return ops.reshape(means, (-1, 1, 1, maps))

        x = ops.cast(x, "float32")
        x = x - of_maps(x)
        inverse = ops.rsqrt(of_maps(ops.square(x)) + self.epsilon)
        scale, shift = (
            ops.reshape(values, (-1, 1, 1, maps))
            for values in ops.split(self.projection(condition), 2, axis=-1)
        )
        scale = 1.0 + scale
        factor = inverse * self.gamma * scale
        return ops.cast(x * factor + (self.beta * scale + shift), self.compute_dtype)

    def compute_output_shape(self, shapes):
        """The shape of the maps."""
        return shapes[0]

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "groups": self.groups,
            "epsilon": self.epsilon,
        }
