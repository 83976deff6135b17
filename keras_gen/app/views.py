"""The page: a form for everything that a model does, and what came of it."""

import contextlib
import html
import re
from collections.abc import Sequence

import gradio as gr

from keras_gen import catalogue, index
from keras_gen.app import controls, follow, outcomes, pictures, temporary
from keras_gen.app.extras import extras
from keras_gen.app.settings import Settings
from keras_gen.app.source import Offer, Source, open_local, open_served, spoken
from keras_gen.core.inputs import LATENT

FIRST = ("sample", "walk", "reconstruct", "translate", "complete", "edit", "denoise")
QUIET = {"api_visibility": "private"}
ONE = {"concurrency_id": "model", "concurrency_limit": 1}  # At a time.
MODEL = {**QUIET, **ONE}
# A dropdown reports each choice twice. Two at a time would both see a new choice, and
# the forms would be made twice, the second time under the hands of the user.
CHOICE = {**QUIET, "concurrency_id": "choice", "concurrency_limit": 1}
RENDER = {"show_progress": "minimal", **ONE}
PROGRESS = gr.Progress()  # Gradio gives each event its own in place of this one.
# The types in the summaries of abilities: "Draws images, float32 (n, ...), in [-1, 1]."
TYPES = (
    r"[,:;]? (float32|int64)\b( \([^)]*\))?| \((n|batch|rows)\b[^)]*\)"
    r"|,?( in| clipped to)? \[-1, 1\]"
)
ERRORS = (ValueError, OSError, FloatingPointError, ImportError)


def build(settings: Settings) -> gr.Blocks:
    """The page.

    Args:
        settings: What the page is opened with.
    """
    with gr.Blocks(
        title="keras-gen", analytics_enabled=False, delete_cache=(3600, 3600)
    ) as blocks:
        gr.HTML("<h1>keras-gen</h1>", elem_classes="head")
        with gr.Tabs():
            with gr.Tab("Use a model") as use:
                key = _chooser(settings, settings.name, settings.weights)
                gr.render(key, **RENDER)(lambda key: _forms(settings, [key]))
            with gr.Tab("Compare two models") as compare:
                _comparison(settings, compare)
            if settings.followed is not None:
                with gr.Tab("Follow a run") as run:
                    timer = follow.view(settings, run)
                for other in (use, compare):
                    other.select(lambda: gr.Timer(active=False), None, timer, **QUIET)
    return blocks


def _comparison(settings, compare):
    """The tab that compares, which makes its forms when it is first opened."""
    gr.Markdown("Both get the same seeds, pictures and values.")
    with gr.Row():
        keys = []
        for _ in range(2):
            with gr.Column():
                keys.append(_chooser(settings, settings.name, settings.weights))
    is_open = gr.State(False)
    compare.select(lambda: True, None, is_open, **QUIET)

    @gr.render([is_open, *keys], **RENDER)
    def forms(is_open, *keys):
        if is_open:
            _forms(settings, keys)


# Choosing a model.


def _chooser(settings, name, weights):
    """Controls that choose a model; returns the state with the choice."""
    if settings.server:
        return _served_chooser(settings, name)
    known = _weights_of(name)
    key = gr.State((name, weights or (known[0] if known else None)))
    with gr.Row():
        names = gr.Dropdown(
            [(f"{n}: {summary}", n) for n, summary in index.models().items()],
            value=name,
            label="Model",
            info="Type a part of a name or of a description.",
            filterable=True,
            min_width=240,
        )
        chosen = gr.Dropdown(
            known,
            value=key.value[1],
            label="Weights",
            info=None
            if settings.is_open
            else "A name, a run's folder, a folder with a card, or hf://user/name.",
            allow_custom_value=not settings.is_open,
            min_width=240,
        )
    names.input(_on_name, [names, key], [chosen, key], **CHOICE)
    chosen.input(_on_weights, [names, chosen], [key], **CHOICE)
    return key


def _weights_of(name):
    with contextlib.suppress(ValueError, OSError):
        return catalogue.weights_of(name)
    return []


def _on_name(name, key):
    if name == key[0]:  # The dropdown was only left.
        return gr.skip(), gr.skip()
    known = _weights_of(name)
    first = known[0] if known else None
    return gr.update(choices=known, value=first), (name, first)


def _on_weights(name, weights):
    return name, (weights or "").strip() or None


def _served_chooser(settings, name):
    key = gr.State((name, settings.label))
    text = gr.Textbox(
        name or "", label="Model", info=f"Name of the model on {settings.server}."
    )
    for event in (text.submit, text.blur):
        event(lambda name: (name.strip(), settings.label), text, key, **CHOICE)
    return key


def _open(settings, key):
    """The source that a choice names."""
    name, second = key
    if settings.server:
        if not name:
            raise ValueError("Expected the name of a model on the server, got none.")
        return open_served(settings.server, name, second)
    if not second:
        raise ValueError(f"Expected weights of {name}, got none.")
    if settings.is_open and second not in _weights_of(name):
        raise ValueError(f"Expected weights of a list, got {second!r}.")
    return open_local(name, second, settings.is_open)


# Forms.


def _forms(settings, keys):
    """A tab for everything that all of the chosen models do."""
    try:
        sources = [_open(settings, key) for key in keys]
    except ERRORS as error:
        gr.HTML(pictures.problem(str(error)), elem_classes="kg-page")
        return
    title = html.escape(" and ".join(source.title for source in sources))
    gr.HTML(f"<h2>{title}</h2>", elem_classes="kg-page model")
    shared = _shared(sources)
    if not shared:
        gr.HTML(pictures.problem("The models share no ability."))
        return
    # Without ids of their own, no tab is chosen once another model replaces the first.
    prefix = "-".join(source.title for source in sources)
    with gr.Tabs(selected=f"{prefix}-{shared[0].name}"):
        for offer in shared:
            with gr.Tab(spoken(offer.name).capitalize(), id=f"{prefix}-{offer.name}"):
                _form(sources, offer)


def _shared(sources: Sequence[Source]) -> list[Offer]:
    """What all sources do, in the order of the tabs, without inputs of one alone."""
    every = [{**source.offers, **extras(source)} for source in sources]
    names = [name for name in every[0] if all(name in offers for offers in every)]
    if len(sources) > 1:  # Those whose pictures can be compared.
        names = [n for n in names if every[0][n].output == "images"]
    order = {name: i for i, name in enumerate(FIRST)}

    def place(name):
        offer = every[0][name]
        takes_latents = any(e.role == LATENT for e in offer.inputs.values())
        return (
            order.get(name, len(order)),
            offer.output != "images",
            takes_latents,
            name,
        )

    return [every[0][name] for name in sorted(names, key=place)]


def _form(sources, offer):
    """The controls of an offer, a button, and what came of it."""
    others = [{**s.offers, **extras(s)}[offer.name] for s in sources[1:]]
    summary = re.sub(TYPES, "", offer.summary)
    gr.HTML(pictures.note(summary), elem_classes="kg-page")
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            known, count = {}, None
            for name, entry in offer.inputs.items():
                if all(name in other.inputs for other in others):
                    known[name] = controls.control(entry, sources[0], known)
            if offer.draws:
                count = gr.Slider(
                    1, 64, value=16, step=1, label="Number of images", interactive=True
                )
            options = _options(offer, others)
            with gr.Row():
                button = gr.Button(_verb(offer), variant="primary")
                again = None
                if "seed" in known and (offer.draws or others or len(known) > 1):
                    again = gr.Button("Next seed")
        with gr.Column(scale=5, min_width=280):
            results = []
            with gr.Row():
                for source in sources:
                    with gr.Column(min_width=240):
                        title = (
                            f"<h3>{html.escape(source.title)}</h3>" if others else ""
                        )
                        results.append(_result(source, title))
    read = _reader(sources, offer, others, known, count, options)
    inputs = [c for control in known.values() for c in control.components]
    inputs += [count] * (count is not None)
    inputs += [c for control in options.values() for c in control.components]
    outputs = [component for result in results for component in result]
    button.click(read, inputs, outputs, **MODEL)
    if again is not None:
        (seed,) = known["seed"].components
        again.click(lambda value: int(value or 0) + 1, seed, seed, **QUIET).then(
            read, inputs, outputs, **MODEL
        )


def _verb(offer):
    return "Draw" if offer.draws else spoken(offer.name).capitalize()


def _options(offer, others):
    """Controls of the options that all models have."""
    shared = {
        name: option
        for name, option in offer.options.items()
        if all(name in other.options for other in others)
    }
    if not shared:
        return {}
    with gr.Accordion("More options", open=False):
        return {n: controls.option_control(option) for n, option in shared.items()}


def _result(source, title):
    """Components that show an outcome: HTML, a slider, files and code."""
    gr.HTML(title, visible=bool(title), elem_classes="kg-page")
    shown = gr.HTML(
        pictures.note("What you make appears here."), elem_classes="kg-page shown"
    )
    frames = gr.State(())
    position = gr.Slider(
        0, 1, value=0, step=0.1, label="Position", visible=False, interactive=True
    )
    frame = gr.HTML(visible=False, elem_classes="kg-page shown")
    position.change(_frame, [frames, position], frame, **QUIET, show_progress="hidden")
    download = gr.DownloadButton("Download", interactive=False, size="sm")
    with gr.Accordion("Copy as Python, copy as curl", open=False):
        python = gr.Code(label="Python", language="python", interactive=False)
        curl = gr.Code(
            label="curl", language="shell", interactive=False, wrap_lines=True
        )
        files = gr.Files(label="Pictures that the code reads", visible=False)
    return [shown, download, python, curl, files, frames, position, frame]


def _frame(frames, position):
    return frames[round(position * (len(frames) - 1))] if frames else ""


def _reader(sources, offer, others, known, count, options):
    """The function of an event: from the values of controls to those of results."""

    def read(*values, progress=PROGRESS):
        values = list(values)
        raw = {n: [values.pop(0) for _ in c.components] for n, c in known.items()}
        n = int(values.pop(0)) if count is not None else None
        set_to = {name: values.pop(0) for name in options}
        updates = []
        for source, own in zip(sources, [offer, *others], strict=True):
            try:
                given = {
                    name: control.read(own.inputs[name], *raw[name])
                    for name, control in known.items()
                }
                chosen = {o: c.read(None, set_to[o]) for o, c in options.items()}
                outcome = _outcome(source, own, given, n, chosen, progress)
                updates += _updates(outcome)
            except ERRORS as error:
                updates += _refused(error)
        return updates

    return read


def _outcome(source, offer, given, n, options, progress):
    if hasattr(offer, "make"):
        return offer.outcome(source, given)
    return outcomes.of_offer(
        source, offer, given, n, options, lambda share: progress(share, desc="Drawing")
    )


def _refused(error):
    """Updates that show a sentence in place of a result."""
    hidden = gr.update(visible=False)
    return [
        pictures.problem(str(error)),
        gr.update(interactive=False),
        "",
        "",
        hidden,
        (),
        hidden,
        hidden,
    ]


def _updates(outcome):
    """Updates that show an outcome."""
    paths = temporary.write({outcome.name: outcome.content, **outcome.files})
    files = [paths[name] for name in outcome.files]
    count = len(outcome.frames)
    step = 1 / (count - 1) if count > 1 else 1
    has_frames = bool(count)
    return [
        outcome.html,
        gr.update(
            value=paths[outcome.name],
            label=f"Download {outcome.name}",
            interactive=True,
        ),
        outcome.python,
        outcome.curl,
        gr.update(value=files or None, visible=bool(files)),
        outcome.frames,
        gr.update(value=0, step=step, visible=has_frames),
        gr.update(value=outcome.frames[0] if count else "", visible=has_frames),
    ]
