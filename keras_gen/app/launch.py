"""Opening the page in a browser, with nothing that leaves this machine."""

import importlib.resources
import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # Is read on import.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr  # noqa: E402 The variables are set first.

from keras_gen import page  # noqa: E402
from keras_gen.app import views  # noqa: E402
from keras_gen.app.settings import Settings  # noqa: E402

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")


def launch(settings: Settings, port: int | None, in_browser: bool) -> None:
    """Serves the page until Ctrl-C.

    Args:
        settings: What the page is opened with.
        port: Number of the port; None takes the first free one from 7860.
        in_browser: Boolean, whether a browser is opened.

    Raises:
        OSError: If the port is in use.
    """
    own = (importlib.resources.files("keras_gen.app") / "style.css").read_text("utf-8")
    blocks = views.build(settings)
    blocks.queue(default_concurrency_limit=4)
    blocks.launch(
        server_name=settings.host,
        server_port=port,
        share=settings.share,
        inbrowser=in_browser,
        quiet=True,
        prevent_thread_lock=True,
        footer_links=["settings"],
        ssr_mode=False,
        max_file_size="50mb",
        theme=_theme(),
        # As `css`, Gradio would put selectors of its own before those of the rules.
        head=f"<style>{page.style()}{own}</style>",
    )
    print(f"The page is at {blocks.share_url or blocks.local_url} (Ctrl-C ends it).")
    blocks.block_thread()


def _theme():
    """Gradio's plainest theme, with fonts of the system and readable notes."""
    return gr.themes.Base(font=FONT, font_mono=MONO).set(
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
    )
