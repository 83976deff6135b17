"""Text to vectors inside the graph, without a Python tokenizer or a vocabulary."""

import keras
import tensorflow as tf
from keras import layers

from keras_gen.core.arguments import checked
from keras_gen.core.types import Count


@keras.saving.register_keras_serializable("keras_gen")
class TextEncoder(layers.Layer):
    """Strings to vectors: a mean over words and letter trigrams [1], then two layers.

        "A cat!"  ->  a, cat, <a>, <ca, cat, at>  ->  rows of a table  ->  mean  ->  MLP

    Rows of the table are found by a hash: every word has a row, and a word that did not
    occur in training still has the rows of its trigrams. Case, punctuation and word
    order are ignored.

    1. Bojanowski et al., "Enriching Word Vectors with Subword Information", 2017.

    Args:
        units: Dimension of a vector.
        buckets: Number of rows of the table.
        table_units: Dimension of a row of the table.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    @checked
    def __init__(
        self, units: Count, buckets: Count = 8192, table_units: Count = 64, **kwargs
    ):
        super().__init__(**kwargs)
        self.units, self.buckets, self.table_units = units, buckets, table_units
        self.table = self.add_weight(
            name="table",
            shape=(buckets, table_units),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            autocast=False,
        )
        self.hidden = layers.Dense(units, name="hidden")
        # Vectors start with standard deviations of about 1, as the latents or features
        # beside them, although a mean of many rows is small.
        scaled = keras.initializers.VarianceScaling(64.0, "fan_avg", "uniform")
        self.outer = layers.Dense(
            units, kernel_initializer=scaled, dtype="float32", name="outer"
        )
        self.hidden.build((None, table_units))
        self.outer.build((None, units))
        self.built = True

    def words(self, text):
        """The words of strings (batch,) in lower case, a ragged tensor."""
        text = tf.strings.lower(text, encoding="utf-8")
        text = tf.strings.regex_replace(text, r"[^\pL\pN]+", " ")
        return tf.strings.split(text)

    def keys(self, text):
        """Numbers of strings (batch,), int64 (batch,), equal where the words are.

        The layer does not tell strings apart that differ only in case, punctuation or
        the order of words.
        """
        words = self.words(text)
        hashes = tf.strings.to_hash_bucket_fast(words.values, 2**40)
        return tf.math.unsorted_segment_sum(hashes, words.value_rowids(), words.nrows())

    def tokens(self, text):
        """The table's rows for the words and trigrams of strings.

        Args:
            text: Strings in UTF-8, (batch,).

        Returns:
            A ragged tensor, int64 (batch, None), with values in [0, buckets).
        """
        words = self.words(text)
        letters = tf.strings.unicode_split(
            tf.strings.join(["<", words.values, ">"]), "UTF-8"
        )
        trigrams = words.with_values(tf.strings.ngrams(letters, 3, separator=""))
        parts = tf.concat([words, trigrams.merge_dims(1, 2)], axis=1)
        return tf.strings.to_hash_bucket_fast(parts, self.buckets)

    def call(self, text):
        """Strings (batch,) to float32 (batch, units)."""
        tokens = self.tokens(text)
        # Sums of many rows in float32, whatever the dtype policy.
        rows = tf.gather(tf.cast(self.table, "float32"), tokens.values)
        sums = tf.math.unsorted_segment_sum(rows, tokens.value_rowids(), tokens.nrows())
        counts = tf.cast(tokens.row_lengths(), sums.dtype)[:, None]
        means = tf.ensure_shape(sums / tf.maximum(counts, 1), (None, self.table_units))
        means = tf.cast(means, self.compute_dtype)
        return self.outer(tf.nn.leaky_relu(self.hidden(means)))

    def get_config(self) -> dict:
        """The constructor's arguments."""
        names = ("units", "buckets", "table_units")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
