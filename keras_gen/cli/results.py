"""Results of abilities as pictures, files and tables."""

import csv
import io
import math

import keras_gen
from keras_gen.cli.common import new_path, note, print_table, refuse_existing
from keras_gen.cli.pictures import save_labelled

WIDEST = 16  # Numbers of a row that are printed; longer rows are written to a file.


def check_output(output, force):
    """Refuses, before any work, an output that exists or whose kind is unknown."""
    if output is None:
        return
    if output.suffix.lower() not in ("", ".png", ".npy", ".csv"):
        raise ValueError(
            "Expected -o with a path that ends in .png, .npy or .csv, or a folder, got "
            f"{str(output)!r}."
        )
    if output.suffix and not output.is_dir():
        refuse_existing(output, force)
    elif output.is_dir() and any(output.iterdir()) and not force:
        raise FileExistsError(
            f"Expected a new or empty folder, got {output}; --force writes into it."
        )


def write(request, answer, output, scale: int | None) -> None:
    """Writes a result to a file or a folder, or prints it.

    Args:
        request: The `Request`.
        answer: Its result, an array.
        output: Path that the user gave, or None.
        scale: Pixels of the file for each pixel of an image, or None.
    """
    images = _as_images(request, answer, output)
    size = math.prod(answer.shape[1:])
    kind = "" if output is None or output.is_dir() else output.suffix.lower()
    default = f"{request.ability.name}{'.png' if images is not None else '.npy'}"
    is_short = size <= WIDEST or request.ability.output == "probabilities"
    if output is None and images is None and is_short:
        _print(request, answer)
        return
    if output is None:
        output = new_path(default)
        kind = output.suffix
    if kind == ".csv":
        _write_csv(request, answer, output)
    elif kind == ".npy":
        _write_npy(answer, output)
    elif images is None:
        raise ValueError(
            f"Expected -o with a path that ends in .npy or .csv, since "
            f"{request.ability.name} gives {request.ability.output} of shape "
            f"{answer.shape}, got {str(output)!r}."
        )
    elif kind == ".png":
        _write_grid(request, images, output, scale)
    else:
        _write_folder(request, images, output, scale)
    rows = f"{len(answer)} row{'' if len(answer) == 1 else 's'}"
    print(f"The {request.ability.output} of {rows} are in {output}.")


def _as_images(request, answer, output):
    """Images (rows, columns, height, width, channels) of a result; None for others."""
    from keras_gen.core.inputs import IMAGE, IMAGES

    entry = request.model.inputs().get(request.ability.output)
    is_image = request.ability.output == IMAGES or (entry and entry.role == IMAGE)
    if is_image and answer.ndim in (4, 5) and answer.shape[-1] in (1, 3, 4):
        return answer if answer.ndim == 5 else answer[:, None]
    is_mask = answer.ndim == 4 and answer.shape[-1] == 1
    if is_mask and output is not None and output.suffix.lower() == ".png":
        if answer.min() >= 0 and answer.max() <= 1:
            return 2 * answer[:, None] - 1
    return None


def _write_grid(request, images, output, scale):
    """A grid: inputs beside results, or the draws of each combination in a row."""
    cells, k = [], len(request.combinations)
    shown = _shown_inputs(request, images.shape[2:])
    for i, results in enumerate(images):
        if shown is not None and i % k == 0:
            cells.append((shown[i // k], request.name_of(i)))
        text = request.text_of(i)
        if shown is not None and not text:
            text = request.ability.name
        elif shown is None:
            text = text or request.name_of(i)
        cells += [(image, text) for image in results]
    if request.is_drawn and k > 1:
        columns = request.count * images.shape[1]
    else:
        group = k * images.shape[1] + (shown is not None)  # Cells of one row.
        columns = group * max(1, round(math.sqrt(len(cells)) / group))
    columns = min(columns, len(cells))
    save_labelled(*zip(*cells, strict=True), output, columns, scale)


def _shown_inputs(request, shape):
    """The images that were given, if results have their shape; grey where masked."""
    import numpy as np

    if request.rows is None or request.main.shape != tuple(shape):
        return None
    images = np.asarray(request.rows, np.float32)
    return images if request.mask is None else images * request.mask


def _write_folder(request, images, output, scale):
    output.mkdir(parents=True, exist_ok=True)
    digits = len(str(len(images) - 1))
    for i, results in enumerate(images):
        words = [request.name_of(i).rpartition(".")[0] or request.name_of(i)]
        words.append(request.text_of(i))
        text = "-".join(
            "".join(c if c.isalnum() else "_" for c in w) for w in words if w
        )
        path = output / f"{i:0{digits}}{'-' if text else ''}{text[:80]}.png"
        keras_gen.images.save_grid(results, path, len(results), scale or 1)


def _write_npy(answer, output):
    import numpy as np

    def write(aside):
        with open(aside, "wb") as file:
            np.save(file, answer)

    keras_gen.files.write_aside(output, write)


def _columns(request, answer):
    """The name of each number in a row."""
    size = math.prod(answer.shape[1:])
    output = request.ability.output
    if size == 1:
        return [output]
    names = request.names_of_classes(size)
    if output == "probabilities" and names:
        return list(names)
    return [f"{output}[{i}]" for i in range(size)]


def _write_csv(request, answer, output):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", *_columns(request, answer)])
    for i, row in enumerate(answer.reshape(len(answer), -1)):
        writer.writerow([request.full_name_of(i), *row.tolist()])
    keras_gen.files.write_text(output, text.getvalue())


def _print(request, answer):
    """A table of the rows; of probabilities, the largest ones."""
    flat, columns = answer.reshape(len(answer), -1), _columns(request, answer)
    if request.ability.output != "probabilities":
        table = [
            [request.full_name_of(i), *(f"{value:.4g}" for value in row)]
            for i, row in enumerate(flat)
        ]
        print_table(["row", *columns], table, 0)
        return
    columns = [c.removeprefix("probabilities[").removesuffix("]") for c in columns]
    table = []
    for i, row in enumerate(flat):
        best = row.argsort()[::-1][:2]
        cells = [text for c in best for text in (columns[c], f"{row[c]:.3f}")]
        table.append([request.full_name_of(i), *cells])
    heads = ["first", "probability", "second", "probability"][: len(table[0]) - 1]
    print_table(["row", *heads], table, 0)
    note("-o FILE.csv writes the probabilities of all classes.")
