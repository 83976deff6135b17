"""Text to image by flow matching [1], with classifier-free guidance [2].

The text encoder is trained together with the network. It is part of the graph, so that
a server takes captions as strings.

1. Lipman et al., "Flow Matching for Generative Modeling", 2023.
2. Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022.
"""

from collections.abc import Sequence

from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape
from keras_gen.models.diffusion.flow_matching import FlowMatching

PROMPTS = (
    "red heart",
    "grinning face",
    "cat face",
    "green apple",
    "house with garden",
    "blue circle",
)


@register("text_to_image_diffusion", batch_size=64, image_shape=(32, 32, 3))
class TextToImageDiffusion(FlowMatching):
    """Flow matching that draws images from captions.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        text_units: Dimension of an encoded caption.
        prompts: Captions from which `sample` draws if none are given.
        **options: Options of `FlowMatching`, such as `buckets` or `settings`.
    """

    tiny = {
        "image_shape": (8, 8, 3),
        "network": "dit",
        "settings": {"width": 8, "depth": 1, "heads": 2},
        "text_units": 4,
        "buckets": 8,
        "steps": 2,
        "learning_rate": 0.01,
    }
    fixed_options = ("outputs", "num_classes", "point_dim")

    def __init__(
        self,
        image_shape: ImageShape = (64, 64, 3),
        text_units: Count = 128,
        prompts: Sequence[str] = PROMPTS,
        **options,
    ):
        super().__init__(
            image_shape=image_shape, text_units=text_units, prompts=prompts, **options
        )
