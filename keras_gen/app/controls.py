"""Controls of a form: one for each `Input` and option, by what they declare."""

import dataclasses
import json
from collections.abc import Callable

import gradio as gr
import numpy as np

from keras_gen import images
from keras_gen.app import pictures, temporary
from keras_gen.app.calls import is_vector
from keras_gen.app.source import Option, Source, spoken
from keras_gen.core.inputs import (
    ATTRIBUTES,
    IMAGE,
    LABEL,
    MASK,
    SEED,
    TEXT,
    Input,
    OneOf,
)

OWN = "(the model's own)"  # The choice of an option's default.


@dataclasses.dataclass(frozen=True)
class Control:
    """What a user sets for one input.

    Attributes:
        name: Name of the input or option.
        components: Gradio components, whose values events pass on.
        read: Function of the `Input` of a model and of these values that returns a
            value for `calls`, or None if the user gave none.
    """

    name: str
    components: list
    read: Callable


def picture_upload(label: str) -> gr.Image:
    """An upload of a picture, which is passed on as the path of the user's own file.

    `gr.Image` decodes files itself, and shows no sentence if one is no picture. It is
    not subclassed, since Gradio writes a file of types beside each subclass.

    Args:
        label: Name of the control.
    """
    upload = gr.Image(
        label=label,
        sources=["upload", "clipboard"],
        interactive=True,
        image_mode=None,
        height=180,
        buttons=[],
    )
    upload.preprocess = lambda payload: None if payload is None else payload.path
    return upload


def control(entry: Input, source: Source, known: dict[str, Control]) -> Control:
    """The control of an input.

    Args:
        entry: The input.
        source: The model.
        known: Controls of the inputs before it, by name: a mask is painted on the
            picture of one of them.
    """
    if entry.role == MASK:
        return _mask(entry, source, known)
    if entry.role == IMAGE:
        return _picture(entry, source) if len(entry.shape) == 3 else _parts(entry)
    make = {SEED: _seed, LABEL: _labels, TEXT: _captions, ATTRIBUTES: _attributes}
    if entry.role in make:
        component, read = make[entry.role](entry, source)
    elif is_vector(entry):
        component, read = _vector(entry)
    else:
        component, read = _number(entry)
    return Control(entry.name, [component], read)


def _words(entry):
    """The label of a control, and the sentence under it."""
    label = spoken(entry.name)
    return {
        "label": label[0].upper() + label[1:],
        "info": entry.description or None,
        "interactive": True,  # Gradio would guess it from the events.
    }


def _seed(entry, source):
    start = 0 if entry.default is None else entry.default
    component = gr.Number(start, precision=0, minimum=0, **_words(entry))
    return component, _read_seed


def _read_seed(entry, value):
    if value is None:
        return 0
    if not 0 <= value < 2**31:
        raise ValueError(f"Expected a seed from 0 to {2**31 - 1}, got {value}.")
    return int(value)


def _number(entry):
    is_whole = entry.dtype == "int64"
    start = None if callable(entry.default) else entry.default
    if entry.range is None and start is None:  # An empty `gr.Number` would be 0.
        component = gr.Textbox(**_words(entry))
    elif entry.range is None:
        component = gr.Number(
            start, precision=0 if is_whole else None, step=0.1, **_words(entry)
        )
    else:
        low, high = entry.range
        step = 1 if is_whole else (high - low) / 100
        start = low if start is None else start
        component = gr.Slider(low, high, value=start, step=step, **_words(entry))
    return component, _read_number


def _read_number(entry, value):
    if value is None or not str(value).strip():
        return None
    return _parsed(entry.name, int if entry.dtype == "int64" else float, value)


def _labels(entry, source):
    low, high = entry.range
    names = source.names(entry) or [str(i) for i in range(low, high + 1)]
    choices = list(zip(names, range(low, high + 1), strict=True))
    start = [] if entry.default is not None else [low]
    words = _words(entry)
    words["info"] = f"{words['info'] or ''} Several are used in turn" + (
        "; without any, they are drawn." if entry.default is not None else "."
    )
    component = gr.Dropdown(choices, value=start, multiselect=True, **words)
    return component, lambda entry, value: [int(v) for v in value or ()] or None


def _captions(entry, source):
    words = _words(entry)
    drawn = "; without any, they are drawn." if entry.default is not None else "."
    words["info"] = f"One on each line{drawn}"
    examples = entry.default.values if isinstance(entry.default, OneOf) else ()
    component = gr.Textbox(
        lines=2, placeholder="\n".join(map(str, examples[:2])) or "red heart", **words
    )
    return component, _read_lines


def _read_lines(entry, value):
    lines = [line.strip() for line in (value or "").splitlines()]
    return [line for line in lines if line] or None


def _attributes(entry, source):
    names = source.names(entry) or list(map(str, range(entry.shape[0])))
    choices = [(name, i) for i, name in enumerate(names)]
    is_list = isinstance(entry.default, tuple)
    start = np.flatnonzero(entry.default).tolist() if is_list else []
    component = gr.CheckboxGroup(choices, value=start, **_words(entry))
    return component, _read_attributes


def _read_attributes(entry, value):
    wanted = np.zeros(entry.shape, np.float32)
    wanted[[int(v) for v in value or ()]] = 1.0
    return wanted


def _vector(entry):
    words = _words(entry)
    shape = "x".join("any" if d is None else str(d) for d in entry.shape)
    words["info"] = f"{words['info'] or ''} {shape} numbers, with commas between them."
    if entry.default is not None:
        words["info"] += " Without any, they are drawn."
    return gr.Textbox(**words), _read_vector


def _read_vector(entry, value):
    text = (value or "").strip().strip("[]")
    if not text:
        return None
    try:
        row = np.array(json.loads(f"[{text}]"), np.float32)
    except ValueError as error:
        raise ValueError(
            f"Expected {spoken(entry.name)} as numbers with commas between them, got "
            f"{value!r}."
        ) from error
    if None not in entry.shape and row.size != np.prod(entry.shape):
        raise ValueError(
            f"Expected {np.prod(entry.shape)} {spoken(entry.name)}, got {row.size}."
        )
    return row.reshape([-1 if d is None else d for d in entry.shape])


# Pictures.


def _picture(entry, source):
    words = _words(entry)
    upload = picture_upload(
        "Your picture" if entry.name == "images" else words["label"]
    )
    if source.has_examples:
        button = gr.Button("Take one from the data", size="sm")
        count = gr.State(0)
        button.click(
            lambda seed: (_example(entry, source, seed), seed + 1),
            count,
            [upload, count],
            api_visibility="private",
        )
    told = gr.HTML(elem_classes="kg-page")
    upload.change(
        lambda path: _told(entry, path), upload, told, api_visibility="private"
    )
    return Control(entry.name, [upload], _read_picture)


def _example(entry, source, seed):
    """The path of a file with an image of the data."""
    image = source.example(entry, seed)
    content = images.png(images.to_uint8(image))
    return temporary.write({"picture.png": content})["picture.png"]


def _told(entry, path):
    """What is done to a picture, or why it cannot be used; beside what a model sees."""
    if path is None:
        return ""
    try:
        pixels, sentence = pictures.prepare(path, entry.shape)
    except ValueError as error:
        return pictures.problem(str(error))
    seen = pictures.address_of(images.from_uint8(pixels))
    return (
        f'<div class="seen"><img src="{seen}" alt="Your picture as the model sees it">'
        f"{pictures.note(sentence)}</div>"
    )


def _read_picture(entry, path):
    return None if path is None else pictures.prepare(path, entry.shape)[0]


def _parts(entry):
    words = _words(entry)
    count = entry.shape[0]
    component = gr.Files(
        label=f"{words['label']}: {count or 'some'} pictures",
        file_types=["image"],
        interactive=True,
    )
    return Control(entry.name, [component], _read_parts)


def _read_parts(entry, paths):
    if not paths:
        return None
    count = entry.shape[0]
    if count is not None and len(paths) != count:
        raise ValueError(
            f"Expected {count} pictures of {spoken(entry.name)}, got {len(paths)}."
        )
    return np.stack([pictures.prepare(path, entry.shape[1:])[0] for path in paths])


def _mask(entry, source, known):
    (of,) = [c for c in known.values() if isinstance(c.components[0], gr.Image)][:1]
    kept = gr.Dropdown(
        list(pictures.KEPT),
        value=pictures.PAINTED,
        label="Keep",
        interactive=True,
        info="The model draws the rest; paint over it, or keep a half.",
    )
    editor = gr.ImageEditor(
        label="Paint over",
        sources=[],
        interactive=True,
        transforms=[],
        layers=False,
        brush=gr.Brush(default_size=40, colors=["#e0218a"], color_mode="fixed"),
        canvas_size=(pictures.WIDEST, pictures.WIDEST),
        image_mode="RGBA",
        height=420,
        buttons=[],
    )
    of.components[0].change(
        lambda path: _background(entry, path),
        of.components[0],
        editor,
        api_visibility="private",
    )
    kept.change(
        lambda value: gr.update(visible=value == pictures.PAINTED),
        kept,
        editor,
        api_visibility="private",
    )
    return Control(entry.name, [kept, editor], _read_mask)


def _background(entry, path):
    """The picture to paint on, with pixels large enough."""
    if path is None:
        return None
    try:
        pixels, _ = pictures.prepare(path, (*entry.shape[:2], 3))
    except ValueError:
        return None
    return {"background": pictures.enlarged(pixels), "layers": [], "composite": None}


def _read_mask(entry, kept, editor):
    layers = editor["layers"] if editor else []
    return pictures.mask_of(kept, layers, entry.shape)


# Options.


def option_control(option: Option) -> Control:
    """The control of an option; it reads None where the default is wanted."""
    words = {"label": spoken(option.name).capitalize(), "interactive": True}
    default = option.default
    if option.choices:
        choices = (
            list(option.choices) if default is not None else [OWN, *option.choices]
        )
        component = gr.Dropdown(choices, value=default or OWN, **words)
    elif option.kind is str or default is None:  # An empty `gr.Number` would be 0.
        component = gr.Textbox(placeholder=OWN, **words)
    else:
        component = gr.Number(default, precision=0, **words)
    return Control(
        option.name, [component], lambda entry, value: _chosen(option, value)
    )


def _chosen(option, value):
    if value is None or value == OWN or not str(value).strip():
        return None
    return value if option.kind is str else _parsed(option.name, option.kind, value)


def _parsed(name, kind, value):
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(
            f"Expected {spoken(name)} as a number, got {value!r}."
        ) from error
