"""What codes say of attributes, in samples drawn with known codes."""

import numpy as np
import sklearn.metrics

from keras_gen.metrics.figures.judged import JUDGED, JudgedFigure, load_judge

BINS = 10  # Intervals into which continuous codes are divided.
LEAST = 0.01  # Smallest information, in nats, that is reported for a single attribute.
STEPS, ROWS = 10, 8  # Columns and rows of pictures.


class CodeInformation(JudgedFigure):
    """The mutual information of each code with each attribute of samples, in nats.

    Samples are drawn with known codes, and the `judge` finds their attributes; values
    of continuous codes are divided into ten intervals. `code_information_category_0`,
    `code_information_continuous_0`: the largest over the attributes, at most log 2, and
    with the attribute as a suffix, for each of at least 0.01 nats;
    `code_information_floor`: the largest of all if the codes are shuffled.
    """

    title = "information of codes"

    def applies(self, context):
        """For models with codes that they infer, on sources in `JUDGED`."""
        return context.source in JUDGED and "infer_codes" in context.abilities

    def measure(self, context):
        """Draws samples with random codes, and rows in which one code changes."""
        source, model = JUDGED[context.source], context.model
        judge, judged = load_judge(context)
        random = np.random.default_rng(context.seed)
        draw = model.inputs()["codes"].default
        codes = np.stack([draw(random) for _ in range(context.num_images)])
        images = model.sample(len(codes), seed=context.seed, codes=codes)
        found = judged(images)
        values = values_of(codes, model.categories)
        order = random.permutation(len(codes))
        figures, floors = {}, []
        for name, column in values.items():
            of_each = information(column, found)
            figures[f"code_information_{name}"] = float(of_each.max())
            for attribute, nats in zip(source.names(), of_each, strict=True):
                if nats >= LEAST:
                    key = f"code_information_{name}_{attribute}"
                    figures[key] = float(nats)
            floors.append(information(column[order], found).max())
            self._show(context, name, codes[:ROWS])
        floor = {"code_information_floor": float(max(floors))}
        return {**judge, **floor, **figures}

    def _show(self, context, name, codes):
        """Keeps rows of samples in which one code changes, and all else stays."""
        kind, _, index = name.partition("_")
        categories, index = context.model.categories, int(index)
        if kind == "category":
            start, settings = sum(categories[:index]), np.eye(categories[index])
        else:
            start = sum(categories) + index
            settings = np.linspace(-1.0, 1.0, STEPS)[:, None]
        changing = np.repeat(codes[:, None], len(settings), axis=1)
        changing[:, :, start : start + settings.shape[1]] = settings
        # The seed of each column is the same, and with it the noise of a row.
        shown = [
            context.model.sample(len(codes), seed=context.seed, codes=changing[:, i])
            for i in range(len(settings))
        ]
        title = f"Samples in which the code {name.replace('_', ' ')} changes"
        context.keep(self, title, np.stack(shown, axis=1))


def values_of(codes: np.ndarray, categories: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The value of each code by its name: a category, or a continuous code's interval.

    Args:
        codes: One-hot vectors of the categories, then continuous codes in [-1, 1],
            (count, numbers).
        categories: Number of values of each categorical code.

    Returns:
        A dict of arrays int (count,): "category_0", ..., "continuous_0", ...
    """
    values, start = {}, 0
    for index, count in enumerate(categories):
        values[f"category_{index}"] = codes[:, start : start + count].argmax(axis=1)
        start += count
    for index, column in enumerate(codes[:, start:].T):
        inside = np.clip(((column + 1.0) / 2.0 * BINS).astype(int), 0, BINS - 1)
        values[f"continuous_{index}"] = inside
    return values


def information(values: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """The mutual information of values with each attribute in nats, (attributes,).

    >>> information([0, 0, 1, 1], [[True, True], [True, False]] * 2).round(4)
    array([0., 0.])

    Args:
        values: Values of a code, int (count,).
        attributes: Attributes, bool (count, attributes).
    """
    columns = np.asarray(attributes).T
    score = sklearn.metrics.mutual_info_score
    return np.array([score(values, column) for column in columns])
