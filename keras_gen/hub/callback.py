"""Pushing during training."""

import keras

from keras_gen import distribute
from keras_gen.core import checks
from keras_gen.hub import publishing


class Push(keras.callbacks.Callback):
    """Pushes the model to the Hugging Face Hub at the end of training, or more often.

    A push that fails prints the reason, and training goes on. What can be known at the
    start is refused at the start: a name that the hub does not allow, wrong arguments,
    a missing token or client. Training waits for each push. Of several workers, only
    the chief pushes.

        push = keras_gen.hub.Push("someone/dcgan-birds", every=10)
        model.fit(train, epochs=50, callbacks=[push])

    Args:
        repository: Name of the repository, as "user/name".
        every: Number of epochs between pushes; the last epoch is pushed in any case.
            None pushes at the end alone.
        **options: Arguments of `keras_gen.hub.push`, such as `private`, `licence` and
            `data`.

    Raises:
        ValueError: For such names and arguments.
    """

    def __init__(self, repository: str, every: int | None = None, **options):
        super().__init__()
        if every is not None:
            checks.counts(every=every)
            if options.get("create_pr"):
                raise ValueError(
                    "Expected create_pr only with a push at the end, got every="
                    f"{every}: each push would open another pull request."
                )
        publishing.check(repository, **options)
        self.repository, self.every, self.options = repository, every, options
        self._pushed, self._epochs = None, 0

    def on_train_begin(self, logs=None):
        """Checks that the model can be named on the hub."""
        if self.options.get("name") is None:
            publishing.name_of(self.model)
        self._pushed = None

    def on_epoch_end(self, epoch, logs=None):
        """Pushes every `every` epochs."""
        self._epochs = epoch + 1
        if self.every is not None and (epoch + 1) % self.every == 0:
            self._push()

    def on_train_end(self, logs=None):
        """Pushes unless the last step was pushed."""
        if self._pushed != int(self.model.step.numpy()):
            self._push()

    def _push(self):
        if not distribute.is_chief(self.model.distribute_strategy):
            return
        steps = int(self.model.step.numpy())
        options = {"message": f"Epoch {self._epochs}", **self.options}
        print()  # Ends the line of the progress bar.
        try:
            publishing.push(self.model, self.repository, **options)
            self._pushed = steps
        except Exception as error:  # Whatever it is, such as a GPU without memory left.
            print(f"The push to {self.repository} failed, training goes on: {error}")
