"""How well parts of held-out images are located, and images generated from them."""

import numpy as np

from keras_gen.metrics import parts as part_figures
from keras_gen.metrics.figures.base import Figure
from keras_gen.models.parts import proposals

ROWS = 16  # Rows of a picture.


class AssembledParts(Figure):
    """How well parts of test images are located, and images generated from them.

    `mask_iou`: overlap of predicted and true masks of the parts; compare with
    `mask_iou_constant`, that of the best constant mask. `parts_l1`: distance of
    assembled images from the true ones within the true masks; compare with
    `parts_l1_pasted`, the distance for parts pasted at the mean box of training parts.
    """

    title = "parts"

    def applies(self, context):
        """For models that `assemble` parts."""
        return "assemble" in context.abilities

    def measure(self, context):
        """Cuts parts out of the test images, and assembles them again."""
        model, images = context.model, _images(context, "test")
        boxes, parts = model.find_boxes(images), model.cut(images)
        true = np.asarray(proposals.union(boxes, *context.image_shape[:2]))
        box = model.find_boxes(_images(context, "train")).mean(axis=(0, 1))
        assembled = model.assemble(parts, seed=context.seed)
        pasted = part_figures.paste(parts, box)
        title = "Test images: parts, true mask, predicted mask, assembled, the image"
        rows = model.pictures({"image": images[:: max(len(images) // ROWS, 1)]})
        context.keep(self, title, rows)
        return {
            "mask_iou": part_figures.mask_iou(model.predict_mask(parts), true),
            "mask_iou_constant": part_figures.constant_mask_iou(true),
            "parts_l1": part_figures.l1_within(assembled, images, true),
            "parts_l1_pasted": part_figures.l1_within(pasted, images, true),
        }


def _images(context, split):
    batches = context.draw(split, features=("image",))
    return np.concatenate([batch["image"].numpy() for batch in batches])
