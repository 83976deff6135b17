"""The game: order of moves, weights of losses and gradients, and noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import train
from game_recorder import check_applied_gradients
from keras import ops

import keras_gen
from keras_gen import GenerativeModel, Lazy, Player
from keras_gen.core import game, registry


def dense(name, start):
    inputs = keras.Input((1,))
    initializer = keras.initializers.Constant(start)
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer=initializer)
    return keras.Model(inputs, layer(inputs), name=name)


class Pair(GenerativeModel):
    """y = a * b * x: `first` trains a and b, `second` only a; computable by hand."""

    figures = ("size",)

    def __init__(self, penalties=(), **kwargs):
        super().__init__(**kwargs)
        self.a, self.b = dense("a", 2.0), dense("b", 3.0)
        self.total = self.add_weight(
            name="total",
            shape=(),
            initializer="zeros",
            trainable=False,
            aggregation="mean",
        )
        self.penalties = penalties

    def batch_shapes(self):
        return {"point": (1,)}

    def forward(self, batch, training):
        return {"inner": self.a(batch["point"])}

    def players(self):
        return {
            "first": Player([self.a, self.b], self.first_loss),
            "second": Player(
                [self.a],
                self.second_loss,
                regularizers=[Lazy(self.penalty, every) for every in self.penalties],
            ),
        }

    def default_optimizers(self):
        return {name: keras.optimizers.SGD(0.01) for name in ("first", "second")}

    def first_loss(self, batch, shared, training):
        outputs = self.b(shared["inner"])
        return ops.mean(outputs), {"size": ops.mean(ops.abs(outputs))}

    def second_loss(self, batch, shared, training):
        return ops.mean(self.b(self.a(batch["point"])))

    def penalty(self, batch, shared, training):
        return ops.mean(ops.square(self.a(ops.ones_like(batch["point"]))))

    def updates(self, batch, shared):
        return [(self.total, self.total + ops.sum(batch["point"]))]

    @property
    def weights_by_hand(self):
        return [float(net.weights[0].numpy()[0, 0]) for net in (self.a, self.b)]


def points(*numbers):
    return {"point": np.array(numbers, np.float32)[:, None]}


def test_a_later_player_moves_by_the_weights_that_the_earlier_one_left():
    model = Pair()
    model.compile()
    train(model, points(1.0, 3.0))
    a, b = 2.0, 3.0
    a, b = a - 0.01 * b * 2.0, b - 0.01 * a * 2.0  # d mean(abx) / da = b * mean(x).
    a -= 0.01 * b * 2.0  # With the new b.
    assert model.weights_by_hand == pytest.approx([a, b], rel=1e-6)


def test_losses_cannot_write_to_the_batch_or_to_what_is_shared():
    class Writes(Pair):
        target = "batch"

        def first_loss(self, batch, shared, training):
            {"batch": batch, "shared": shared}[self.target]["left"] = 1.0

    for target in ("batch", "shared"):
        model = Writes()
        model.target = target
        model.compile(run_eagerly=True)
        with pytest.raises(TypeError, match="does not support item assignment"):
            train(model, points(1.0))


def test_updates_are_applied_once_after_the_step_and_no_clipping_touches_them():
    model = Pair()
    model.compile(clip_norm=1e-6)
    train(model, points(1.0, 3.0), count=2)
    assert float(model.total.numpy()) == 8.0
    np.testing.assert_allclose(model.weights_by_hand, [2.0, 3.0], rtol=1e-6)


def test_updates_of_replicas_are_reduced_as_the_variable_says(two_replicas):
    with two_replicas.scope():
        model = Pair()
        model.compile()
    train(model, points(1.0, 3.0, 5.0, 7.0))
    assert float(model.total.numpy()) == 8.0  # The mean of 4 and 12.


def test_updates_read_all_values_before_the_first_is_assigned():
    class Swap(Pair):
        def __init__(self):
            super().__init__()
            self.other = self.add_weight(name="other", initializer="ones", shape=())

        def updates(self, batch, shared):
            return [(self.total, self.other.value), (self.other, self.total.value)]

    model = Swap()
    model.compile()
    train(model, points(1.0))
    assert (float(model.total.numpy()), float(model.other.numpy())) == (1.0, 0.0)


def test_what_forward_shares_has_rows():
    class Scalar(Pair):
        def forward(self, batch, training):
            return {**super().forward(batch, training), "mean": tf.constant(1.0)}

    model = Scalar()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="Expected 'mean' from forward as a tensor"):
        train(model, points(1.0))


def test_figures_that_are_not_declared_are_refused():
    class Odd(Pair):
        def first_loss(self, batch, shared, training):
            return ops.mean(self.b(shared["inner"])), {"length": 1.0}

    model = Odd()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"\['size'\] from 'first', got \['length'\]"):
        train(model, points(1.0))


def test_a_lazy_regularizer_counts_as_often_as_its_interval_says():
    model = Pair(penalties=(3,))
    model.compile({name: keras.optimizers.SGD(0.0) for name in ("first", "second")})
    losses = [train(model, points(1.0)).history["second_loss"][0] for _ in range(4)]
    # a * b = 6 and the penalty a^2 = 4, three times as strong in steps 0 and 3.
    assert losses == pytest.approx([18.0, 6.0, 6.0, 18.0])
    assert model.evaluate(points(1.0), verbose=0, return_dict=True)[
        "second_loss"
    ] == pytest.approx(10.0)


def test_a_lazy_penalty_through_batch_norm_works_on_replicas(two_replicas):
    """Its statistics make replicas wait, which nothing under a condition can."""
    options = {"r1": 1.0, "r1_every": 2, "normalization": "batch"}
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype("float32")
    with two_replicas.scope():
        model = keras_gen.zoo.load("dcgan", **keras_gen.models.DCGAN.tiny, **options)
        model.compile(seed=0)
    with pytest.warns(UserWarning, match="has batch normalization"):
        history = train(model, {"image": images}, count=3).history
    assert all(np.isfinite(values).all() for values in history.values())


def test_adam_of_a_lazy_player_is_corrected_as_in_stylegan2():
    adam = game.lazy_adam(0.002, 0.0, 0.99, every=16)
    assert float(adam.learning_rate) == pytest.approx(0.002 * 16 / 17)
    assert adam.beta_1 == 0.0
    assert adam.beta_2 == pytest.approx(0.99 ** (16 / 17))
    model = keras_gen.zoo.load("dcgan", **keras_gen.models.DCGAN.tiny, r1=1, r1_every=4)
    assert model.optimizers["discriminator"].beta_1 == pytest.approx(0.5**0.8)
    assert model.optimizers["generator"].beta_1 == 0.5


@pytest.mark.parametrize(
    "name", ["gan", "dcgan", "cgan", "infogan", "wgan_gp", "progan", "stylegan"]
)
def test_every_model_corrects_adam_for_the_interval_of_r1(name):
    tiny = registry.preset(name).model.tiny
    often, seldom = (
        registry.preset(name)
        .model(**{**tiny, "r1": 1.0, "r1_every": every})
        .default_optimizers()
        for every in (1, 4)
    )
    for key in ("beta_1", "beta_2"):
        before, after = (getattr(o["discriminator"], key) for o in (often, seldom))
        assert after == pytest.approx(before**0.8)
        assert before < 1
        same = (getattr(o["generator"], key) for o in (often, seldom))
        assert len(set(same)) == 1
    rates = [float(o["discriminator"].learning_rate) for o in (often, seldom)]
    assert rates[1] == pytest.approx(0.8 * rates[0])


# Accumulation.


class Net(GenerativeModel):
    """A game without batch norm: two players, several moves, an update, row noise."""

    def __init__(self, moves=1, **kwargs):
        super().__init__(**kwargs)
        initializer = keras.initializers.RandomNormal(stddev=0.5, seed=1)
        inputs = keras.Input((3,))
        x = keras.layers.Dense(4, "tanh", kernel_initializer=initializer)(inputs)
        x = keras.layers.Dense(3, kernel_initializer=initializer, dtype="float32")(x)
        self.generator = keras.Model(inputs, x, name="generator")
        x = keras.layers.Dense(4, "tanh", kernel_initializer=initializer)(inputs)
        x = keras.layers.Dense(1, kernel_initializer=initializer, dtype="float32")(x)
        self.critic = keras.Model(inputs, x, name="critic")
        self.mean = self.add_weight(
            name="mean", shape=(3,), trainable=False, aggregation="mean"
        )
        self.moves = moves

    def batch_shapes(self):
        return {"point": (3,), "latent": (3,)}

    def forward(self, batch, training):
        return {"fake": self.generator(batch["latent"])}

    def players(self):
        return {
            "critic": Player([self.critic], self.critic_loss, moves=self.moves),
            "generator": Player([self.generator], self.generator_loss),
        }

    def default_optimizers(self):
        return {name: keras.optimizers.SGD(0.5) for name in ("critic", "generator")}

    def critic_loss(self, batch, shared, training):
        real = ops.softplus(-self.critic(batch["point"]))
        return ops.mean(real) + ops.mean(
            ops.softplus(self.critic(tf.stop_gradient(shared["fake"])))
        )

    def generator_loss(self, batch, shared, training):
        return ops.mean(ops.softplus(-self.critic(shared["fake"])))

    def updates(self, batch, shared):
        return [(self.mean, ops.mean(shared["fake"], axis=0))]


def net_data(rows):
    random = np.random.default_rng(0)
    return {
        name: random.normal(size=(rows, 3)).astype(np.float32)
        for name in ("point", "latent")
    }


def small_batches(arrays, size):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size, drop_remainder=True)


@pytest.mark.parametrize("moves", [1, 2])
@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_k_small_batches_give_the_step_of_one_large_batch(moves, clip_norm):
    arrays = net_data(24 * moves)
    large, small = Net(moves), Net(moves)
    large.compile(seed=0, clip_norm=clip_norm)
    small.compile(seed=0, clip_norm=clip_norm, accumulate_steps=3)
    large.fit(small_batches(arrays, 12), epochs=1, verbose=0)
    small.fit(small_batches(arrays, 4), epochs=1, verbose=0)
    assert int(large.step.numpy()) == int(small.step.numpy()) == 2
    # The order of sums differs, so results differ by rounding errors.
    for a, b in zip(large.variables, small.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_a_player_that_moves_twice_after_another_uses_its_own_new_weights():
    class Late(Net):
        def players(self):
            return {
                "critic": Player([self.critic], self.critic_loss, moves=self.moves),
                "generator": Player([self.generator], self.generator_loss, moves=2),
            }

    for moves in (1, 2):
        check_applied_gradients(Late(moves), net_data(8))
        large, small = Late(moves), Late(moves)
        large.compile(seed=0)
        small.compile(seed=0, accumulate_steps=3)
        large.fit(small_batches(net_data(48), 12), epochs=1, verbose=0)
        small.fit(small_batches(net_data(48), 4), epochs=1, verbose=0)
        for a, b in zip(large.variables, small.variables, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_accumulation_on_two_replicas_gives_the_step_of_one(two_replicas):
    arrays = net_data(24)
    alone = Net()
    alone.compile()
    with two_replicas.scope():
        shared = Net()
        shared.compile(accumulate_steps=3)
    alone.fit(small_batches(arrays, 12), epochs=1, verbose=0)
    shared.fit(small_batches(arrays, 4), epochs=1, verbose=0)
    for a, b in zip(alone.trainable_variables, shared.trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        alone.mean.numpy(), shared.mean.numpy(), rtol=1e-5, atol=1e-6
    )


def test_accumulation_is_saved_with_the_model_and_checked(tmp_path):
    model = keras_gen.zoo.load("gan", **keras_gen.models.GAN.tiny)
    model.compile(accumulate_steps=2)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").accumulate_steps == 2
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="accumulate_steps"):
            model.compile(accumulate_steps=wrong)
    adam = keras.optimizers.Adam(gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="accumulate_steps=..."):
        model.compile({"generator": adam})


# Noise.


class Draws(Pair):
    """Draws named noise, and optionally noise with a second name."""

    extra = False

    def forward(self, batch, training):
        if self.extra:
            self.noise("another", (2,))
        self.kept.append(self.noise("first", (2,)).numpy())
        return super().forward(batch, training)

    def second_loss(self, batch, shared, training):
        self.kept.append(self.noise("first", (2,)).numpy())
        return super().second_loss(batch, shared, training)


def drawn(extra=False, count=2):
    model = Draws()
    model.compile(seed=5, run_eagerly=True)
    model.__dict__["kept"], model.extra = [], extra
    train(model, points(1.0), count=count)
    return np.array(model.__dict__["kept"])


def test_noise_follows_from_its_name_so_that_another_draw_moves_none():
    np.testing.assert_array_equal(drawn(), drawn(extra=True))


def test_noise_differs_by_step_and_by_player():
    found = {tuple(row) for row in drawn()}
    assert len(found) == 4  # Two steps, `forward` and a player in each.


def test_a_name_that_is_drawn_twice_in_a_loss_is_refused():
    class Twice(Pair):
        def first_loss(self, batch, shared, training):
            self.noise("same", (1,))
            self.noise("same", (1,))

    model = Twice()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="'same' twice"):
        train(model, points(1.0))


def test_replicas_that_wait_for_each_other_in_a_loss_keep_their_own_noise(two_replicas):
    """Batch normalization makes replicas wait, before draws of the same loss."""
    options = {
        **{"instance_noise": 0.1, "r1": 1.0, "gradient_penalty": 1.0},
        **{"augmentation": ("color",), "normalization": "batch"},
    }
    with two_replicas.scope():
        model = keras_gen.zoo.load("dcgan", **keras_gen.models.DCGAN.tiny, **options)
        model.compile(seed=0)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 16, 16, 1)).astype("float32")
    with pytest.warns(UserWarning, match="has batch normalization"):
        history = train(model, {"image": images}, count=2).history
    assert all(np.isfinite(values).all() for values in history.values())


def test_evaluation_draws_other_noise_than_training_and_the_same_every_time():
    model = Draws()
    model.compile(seed=5, run_eagerly=True)
    model.__dict__["kept"] = []
    for _ in range(2):
        model.evaluate(points(1.0), verbose=0)
    first, again = np.array(model.__dict__["kept"]).reshape(2, -1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[:2], drawn(count=1)[0])


# The check of gradients, which the conformance tests run on every model.


def test_the_check_of_gradients_finds_a_stale_one():
    class Stale(Pair):
        def second_loss(self, batch, shared, training):
            return ops.mean(self.b(shared["inner"]) * self.b(shared["inner"]))

    model = Stale()
    with pytest.raises(AssertionError, match="second"):
        check_applied_gradients(model, points(1.0, 3.0))
    check_applied_gradients(Pair(), points(1.0, 3.0))
