"""How well unsupervised categories match the labels of images."""

import numpy as np

from keras_gen.metrics import codes
from keras_gen.metrics.figures.base import Figure


class Categories(Figure):
    """`category_accuracy`: accuracy of the first categorical code against labels."""

    title = "categories"

    def applies(self, context):
        """For models that infer categorical codes, on data with labels."""
        return (
            "infer_codes" in context.abilities
            and bool(context.model.categories)
            and context.has_labels
        )

    def measure(self, context):
        """Infers the codes of the test split."""
        clusters, labels = [], []
        for batch in context.test:
            inferred = context.model.infer_codes(batch["image"].numpy())
            first = inferred[:, : context.model.categories[0]]
            clusters.append(first.argmax(axis=1))
            labels.append(batch["label"].numpy())
        accuracy = codes.cluster_accuracy(
            np.concatenate(clusters), np.concatenate(labels)
        )
        return {"category_accuracy": accuracy}
