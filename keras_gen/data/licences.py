"""Licences of the data that ship, for the cards of models trained on them."""

_LICENCES = {
    "mnist": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    "stacked_mnist": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    "emoji": "Noto Emoji (Google), Apache-2.0; Twemoji (Twitter, others), CC BY 4.0; "
    "OpenMoji (the OpenMoji project), CC BY-SA 4.0; names and keywords of Unicode's "
    "CLDR, Unicode-3.0, by emojibase, MIT",
    "faces": "Personas (Draftbit), ToonHead (Johan Melin), Avatar Illustration System "
    "(Micah Lanier), Custom Avatar (Ashley Seo), CC BY 4.0",
}


def of(data: str) -> str | None:
    """The licence of a data set that ships; None for others.

    >>> of("mnist")
    'MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0'

    Args:
        data: Name of the data set, such as "emoji/noto".
    """
    return _LICENCES.get(data.partition("/")[0].partition("?")[0])
