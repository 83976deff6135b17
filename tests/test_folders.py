"""Folders as users have them: kinds of files, splits, hidden files and captions."""

import csv
import io
import json
import os
import sys
import zipfile

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

import keras_gen
from keras_gen.data import catalog, decoding, listing, splits, summary

GREY = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))


def save(path, array=GREY, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(array).save(path, **options)
    return path


def load(source, split="train", **options):
    """The dataset and its rows, in the order of the folder."""
    options = {"image_shape": (32, 32, 1), "test_fraction": 0.0, **options}
    dataset = keras_gen.data.load(source, split, batch_size=1, shuffle=False, **options)
    rows = [
        {key: value[0] for key, value in batch.items()}
        for batch in dataset.as_numpy_iterator()
    ]
    return dataset, rows


# Kinds of image files.


@pytest.mark.parametrize(
    "name, array",
    [
        ("a.png", GREY.astype(np.uint16) * 257),
        ("a.tif", GREY.astype(np.uint16) * 257),
        ("a.tiff", GREY.astype(np.int32) * 257),
        ("a.TIF", GREY),
        ("a.tif", GREY.astype(np.float32) / 255),
        ("a.pgm", GREY),
        ("a.bmp", GREY),
    ],
)
def test_greys_of_any_depth_are_kept(tmp_path, name, array):
    save(tmp_path / name, array)
    _, (row,) = load(tmp_path)
    np.testing.assert_allclose(row["image"][0, :, 0], GREY[0] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    "array, message",
    [
        (GREY.astype(np.float32), "values go from 0 to 255, where 0 is black and 1"),
        (GREY / 255 - np.float32(0.5), "values go from -0.5 to 0.5"),
        (np.full((4, 4), np.nan, np.float32), "values go from nan"),
        (GREY.astype(np.int32) - 1, "values go from -1 to 254"),
        (
            GREY.astype(np.int32) * 1000,
            "values go from 0 to 255000, where 0 is black and 65535",
        ),
    ],
)
def test_values_whose_range_is_not_known_are_refused(tmp_path, array, message):
    save(tmp_path / "a.tif", array)
    with pytest.raises(ValueError, match=rf"a\.tif cannot be read: its {message}"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.JPG"])
def test_jpeg_has_many_names(tmp_path, name):
    save(tmp_path / name, format="JPEG")
    _, (row,) = load(tmp_path)
    np.testing.assert_allclose(row["image"][0, :, 0], GREY[0] / 127.5 - 1, atol=0.03)


@pytest.mark.parametrize("kind", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_by_their_orientation(tmp_path, kind, orientation):
    blocks = np.kron([[20, 120, 220], [60, 160, 250]], np.ones((16, 16)))
    blocks = blocks.astype(np.uint8)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "webp" else {}
    path = save(tmp_path / f"a.{kind}", blocks, exif=exif, **options)
    # The rows and columns of the file run from these corners; see the EXIF standard.
    expected = {
        1: blocks,
        2: blocks[:, ::-1],
        3: blocks[::-1, ::-1],
        4: blocks[::-1],
        5: blocks.T,
        6: blocks.T[:, ::-1],
        7: blocks.T[::-1, ::-1],
        8: blocks.T[::-1],
    }[orientation]
    got = decoding.decode(path)[..., 0]
    np.testing.assert_allclose(got, expected.astype(float), atol=3)
    assert summary.header(path)[0] == got.shape[::-1]


def test_alpha_becomes_white_or_is_kept(tmp_path):
    colours = np.full((8, 8, 4), (200, 40, 10, 255), np.uint8)
    colours[:4, :, 3] = 0
    save(tmp_path / "1.png", colours)
    save(tmp_path / "2.png", GREY[:8, :8], transparency=0)
    save(tmp_path / "3.png", GREY[:8, :8])
    _, rows = load(tmp_path, image_shape=(8, 8, 3))
    np.testing.assert_allclose(rows[0]["image"][:4], 1)
    solid = np.array([200, 40, 10]) / 127.5 - 1
    half = np.tile(solid, (4, 8, 1))
    np.testing.assert_allclose(rows[0]["image"][4:], half, atol=1e-6)
    assert rows[1]["image"][0, 0, 0] == 1 and rows[2]["image"][0, 0, 0] == -1
    _, rows = load(tmp_path, image_shape=(8, 8, 4))
    alpha = [row["image"][:, 0, 3].tolist() for row in rows]
    assert alpha == [[-1] * 4 + [1] * 4, [-1] * 8, [1] * 8]
    np.testing.assert_allclose(rows[0]["image"][4, 0, :3], solid, atol=1e-6)
    assert load(tmp_path, image_shape=None)[1][0]["image"].shape == (8, 8, 3)
    facts = keras_gen.data.describe(tmp_path, image_shape=(8, 8, 4))
    assert "alpha is kept, and images without it are opaque" in str(facts)


def test_palettes_and_cmyk_become_rgb(tmp_path):
    pixels = np.full((8, 8, 3), (250, 100, 0), np.uint8)
    image = PIL.Image.fromarray(pixels)
    image.quantize(4).save(tmp_path / "1.png")
    image.quantize(4).save(tmp_path / "2.gif")
    image.convert("CMYK").save(tmp_path / "3.jpg", quality=100)
    image.convert("CMYK").save(tmp_path / "4.tif")
    _, rows = load(tmp_path, image_shape=(8, 8, 3))
    for row in rows:
        np.testing.assert_allclose(row["image"], pixels / 127.5 - 1, atol=0.03)


def test_the_first_frame_of_animated_files_is_used_and_said(tmp_path):
    frames = [PIL.Image.new("L", (8, 8), level) for level in (10, 100, 200)]
    for name in ("1.gif", "2.webp", "3.png", "4.tif"):
        options = {"lossless": True} if name == "2.webp" else {}
        frames[0].save(
            tmp_path / name, save_all=True, append_images=frames[1:], **options
        )
        assert "animated" in summary.header(tmp_path / name)[1]
    _, rows = load(tmp_path, image_shape=(8, 8, 1))
    for row in rows:
        np.testing.assert_allclose(row["image"], 10 / 127.5 - 1, atol=0.01)
    facts = keras_gen.data.describe(tmp_path, image_shape=(8, 8, 1))
    assert "animated files give their first frame" in str(facts)


# Hidden, linked and other files.


def test_hidden_folders_are_no_classes(tmp_path):
    hidden = (".ipynb_checkpoints", ".git", "__MACOSX/a", "@eaDir")
    for folder in ("a", "b", *hidden):
        save(tmp_path / folder / "1.png")
    (tmp_path / "notes").mkdir()
    dataset, rows = load(tmp_path)
    assert dataset.class_names == ["a", "b"] and len(rows) == 2
    assert {reason for _, reason in dataset.left_out} == {"it is in a hidden folder"}
    assert len(dataset.left_out) == 4
    pair = keras_gen.data.load(
        tmp_path, features=("image", "image_b"), image_shape=(8, 8, 1), batch_size=1
    )  # Two domains.
    assert int(pair.cardinality()) == 1


def test_appledouble_files_are_left_out_and_named(tmp_path):
    save(tmp_path / "1.png")
    (tmp_path / "._1.png").write_bytes(b"\0\5\x16\7")
    dataset, rows = load(tmp_path)
    expected = [(str(tmp_path / "._1.png"), "its name begins with a dot")]
    assert len(rows) == 1 and dataset.left_out == expected
    facts = keras_gen.data.describe(tmp_path)
    assert facts.left_out == tuple(expected)
    assert facts.without(dataset.left_out).num_selected == facts.num_selected


def test_linked_folders_are_followed_without_loops(tmp_path):
    elsewhere = save(tmp_path / "elsewhere" / "1.png").parent
    root = tmp_path / "root"
    save(root / "a" / "1.png")
    (root / "b").symlink_to(elsewhere, target_is_directory=True)
    (root / "a" / "up").symlink_to(root, target_is_directory=True)
    dataset, rows = load(root)
    assert dataset.class_names == ["a", "b"]
    assert [row["label"] for row in rows] == [0, 1]


# Splits.


@pytest.mark.parametrize(
    "train, other, split",
    [
        ("train", "test", "test"),
        ("train", "val", "validation"),
        ("train", "val", "val"),
        ("train", "valid", "test"),
        ("training", "validation", "validation"),
        ("Train", "Testing", "test"),
        ("training_set", "test_set", "test"),
        ("train2017", "val2017", "validation"),
    ],
)
def test_folders_of_splits_are_no_classes(tmp_path, train, other, split):
    for path in (f"{train}/a", f"{train}/b", f"{train}/c", f"{other}/a", f"{other}/c"):
        save(tmp_path / path / "1.png")
    dataset, rows = load(tmp_path, test_fraction=0.5)
    assert [row["label"] for row in rows] == [0, 1, 2]
    held_out, rows = load(tmp_path, split)
    assert [row["label"] for row in rows] == [0, 2]  # Not 0 and 1.
    assert held_out.class_names == dataset.class_names == ["a", "b", "c"]
    assert len(load(tmp_path, "all")[1]) == 5
    name = "test" if other.lower().startswith("test") else "validation"
    facts = keras_gen.data.describe(tmp_path)
    assert facts.counts == {"train": 3, name: 2} and facts.held_out == {name: 2}


def test_three_splits_and_wrong_ones(tmp_path):
    for split in ("train", "val", "test"):
        for i in range(2 if split == "val" else 1):
            save(tmp_path / split / f"{i}.png")
    counts = {s: len(load(tmp_path, s)[1]) for s in ("validation", "test", "all")}
    assert counts == {"validation": 2, "test": 1, "all": 4}
    with pytest.raises(ValueError, match="Expected a split of"):
        load(tmp_path, "dev")
    save(tmp_path / "valid" / "1.png")
    with pytest.raises(ValueError, match="one folder for the split 'validation'"):
        load(tmp_path)


def test_a_class_may_have_the_name_of_a_split(tmp_path):
    for name in ("bus", "train"):
        save(tmp_path / name / "1.png")
    assert load(tmp_path)[0].class_names == ["bus", "train"]


def test_a_folder_in_which_a_split_is_alone_is_that_split(tmp_path):
    for i in range(10):
        save(tmp_path / "train" / "ab"[i % 2] / f"{i}.png")
    dataset, rows = load(tmp_path, "test", test_fraction=0.2)
    assert dataset.class_names == ["a", "b"] and len(rows) == 2


def test_all_is_a_split_of_every_source(tmp_path):
    for i in range(10):
        save(tmp_path / "photos" / f"{i}.png")
    names = [
        path.name for path in listing.read(tmp_path / "photos").select("all", 0.3, 0)
    ]
    assert names == [f"{i}.png" for i in range(10)]
    facts = keras_gen.data.describe(tmp_path / "photos", "all")
    assert facts.split_lines() == ["Split 'all': 10 images; nothing is held out"]
    (tmp_path / "lines.txt").write_text("\n".join("abcdefghij"))
    (batch,) = keras_gen.data.load(tmp_path / "lines.txt", "all", batch_size=10)
    assert batch["sequence"].shape[0] == 10
    assert keras_gen.data.describe("mnist", "all").num_selected == 70_000
    part = keras_gen.data.load("gaussian_ring", "all[59990:]", batch_size=10)
    assert int(part.cardinality()) == 1


# Paths.


def test_lists_globs_and_paths_of_the_user_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    paths = [save(tmp_path / "a" / f"{i}.png", GREY // (i + 1)) for i in range(3)]
    (tmp_path / "a" / "notes.txt").write_text("no image")
    brightest = {}
    for name, source in {
        "list": [str(paths[2]), paths[0]],
        "glob": str(tmp_path / "*" / "*.png"),
        "home": "~/a",
        "home glob": "~/**/[01].png",
        "file": str(paths[1]),
    }.items():
        dataset, rows = load(source)
        brightest[name] = [round(127.5 * (row["image"].max() + 1)) for row in rows]
        facts = keras_gen.data.describe(source, test_fraction=0.0)
        assert facts.num_selected == len(rows)
    assert brightest == {
        "list": [85, 255],
        "glob": [255, 127, 85],
        "home": [255, 127, 85],
        "home glob": [255, 127],
        "file": [127],
    }
    pair = keras_gen.data.load("~/a,~/a", features=("image", "image_b"), batch_size=2)
    assert int(pair.cardinality()) == 1


@pytest.mark.parametrize(
    "source, message",
    [
        ("/no/such", "there is no folder '/no/such' here"),
        ("no_such_name", "there is no folder '.*no_such_name' here"),
        ("no such name", "there is no folder '.*no such name' here"),
        ("cycle_gan/horse", "there is no folder '.*cycle_gan/horse' here"),
        ("~/no_such", "no folder"),
        ("no_such.zip", "no folder"),
        ("no/*.png", "got 'no/.*', which none matches"),
        ("", "got ''"),
        (["no_such.png"], "no_such.png, which is not here"),
        (["."], "which is a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_not_there_is_said_without_a_network(source, message, monkeypatch):
    def no_network(*args, **kwargs):
        raise AssertionError("The network was used.")

    monkeypatch.setattr("socket.socket.connect", no_network)
    for function in (keras_gen.data.load, keras_gen.data.describe):
        with pytest.raises(ValueError, match=message):
            function(source)


def test_archives_and_other_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("1.png", b"")
    (tmp_path / "photos.tar.gz").write_bytes(b"")
    (tmp_path / "table.csv").write_text("a,b")
    messages = {"photos.zip": "unpack", "photos.tar.gz": "unpack", "table.csv": "file"}
    for name, message in messages.items():
        with pytest.raises(ValueError, match=message):
            keras_gen.data.load(str(tmp_path / name))
    save(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match="no folder '.*/b'"):
        keras_gen.data.load(f"{tmp_path}/a,{tmp_path}/b", features=("image", "image_b"))
    with pytest.raises(ValueError, match="'image_b' among the features"):
        keras_gen.data.load((tmp_path / "a", tmp_path / "a"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_download_without_a_network_fails_at_the_first_connection(
    tmp_path, monkeypatch
):
    attempts = []

    def no_network(address, **options):
        attempts.append(address)
        raise OSError("no route to host")

    monkeypatch.setattr(catalog.socket, "create_connection", no_network)
    monkeypatch.setattr(catalog.urllib.request, "getproxies", dict)
    with pytest.raises(ConnectionError, match="no route to host"):
        keras_gen.data.load("fashion_mnist", data_dir=tmp_path)
    assert len(attempts) == 1


def test_arrays_of_numpy_files(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
    labels = np.arange(6)[:, None] % 3
    np.save(tmp_path / "a.npy", images)
    np.savez(tmp_path / "b.npz", image=images, label=labels)
    np.savez(
        tmp_path / "c.npz", x_train=images, y_train=labels,
        x_test=images[:2], y_test=labels[:2],
    )  # fmt: skip
    np.savez(tmp_path / "d.npz", train_images=images, val_images=images[:1])
    np.savez(tmp_path / "e.npz", weights=images)
    counts = {
        (name, split): len(load(tmp_path / name, split, image_shape=None)[1])
        for name, split in (
            ("a.npy", "train"), ("b.npz", "train"), ("c.npz", "train"),
            ("c.npz", "test"), ("c.npz", "all"), ("d.npz", "validation"),
        )
    }  # fmt: skip
    assert list(counts.values()) == [6, 6, 6, 2, 8, 1]
    with pytest.raises(ValueError, match="Expected a split"):
        load(tmp_path / "a.npy", "val", image_shape=None)


def test_an_array_file_without_splits_is_split_as_a_folder_is(tmp_path):
    images = np.arange(20, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    np.savez(tmp_path / "all.npz", image=images, label=np.arange(20))
    options = {"image_shape": None, "test_fraction": 0.25, "seed": 3}

    def labels(split):
        return [
            int(r["label"]) for r in load(tmp_path / "all.npz", split, **options)[1]
        ]

    expected = splits.at_random(20, 0.25, 3)
    for name in ("train", "test", "all"):
        assert labels(name) == expected[name].tolist()
    assert labels("train[:4]") == expected["train"][:4].tolist()
    facts = keras_gen.data.describe(
        tmp_path / "all.npz", "train[:4]", seed=3, test_fraction=0.25
    )
    assert facts.counts == {"train": 15, "test": 5} and facts.num_selected == 4
    np.savez(tmp_path / "more.npz", image=np.concatenate([images, images[:1]]))
    options = {"image_shape": None, "test_fraction": 0.1}
    digests = {
        load(tmp_path / name, **options)[0].split_digest
        for name in ("all.npz", "all.npz", "more.npz")
    }
    assert len(digests) == 2


def test_names_of_classes_have_the_same_numbers_in_all_splits(tmp_path):
    images, names = np.zeros((6, 8, 8), np.uint8), np.array(list("abcbca"))
    np.savez(tmp_path / "a.npz", image=images, label=names)
    np.savez(
        tmp_path / "b.npz", x_train=images[1:3], y_train=names[1:3],
        x_test=images, y_test=names,
    )  # fmt: skip
    for name in ("a.npz", "b.npz"):
        options = {"image_shape": None, "test_fraction": 0.5}
        for split in ("train", "test", "all"):
            dataset, _ = load(tmp_path / name, split, **options)
            assert dataset.class_names == ["a", "b", "c"]
            facts = keras_gen.data.describe(tmp_path / name, split, test_fraction=0.5)
            assert facts.class_names == ("a", "b", "c")
    _, rows = load(tmp_path / "b.npz", "train", **options)
    assert [row["label"] for row in rows] == [1, 2]


def test_images_of_different_sizes_need_a_shape(tmp_path):
    save(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    save(tmp_path / "b.png", np.zeros((8, 8, 3), np.uint8))
    assert load(tmp_path, image_shape=None)[0].element_spec["image"].shape[1:] == (
        8,
        8,
        3,
    )
    save(tmp_path / "c.png", np.zeros((20, 10), np.uint8))
    with pytest.raises(ValueError, match=r"here \(8, 8\) to \(20, 10\)"):
        load(tmp_path, image_shape=None)
    text = str(keras_gen.data.describe(tmp_path, "all"))
    assert "Images: of several sizes: to load them, give image_shape" in text
    assert len(load(tmp_path, image_shape=(8, 8, 1))[1]) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_names_that_are_no_utf_8(tmp_path, monkeypatch):
    name = os.fsdecode(b"caf\xe9")
    save(tmp_path / f"{name}.png", np.zeros((8, 8), np.uint8))
    (tmp_path / f"{name}.txt").write_text("")
    monkeypatch.setattr("keras_gen.data.folder.MEMORY_LIMIT", 1)  # Read in each epoch.
    dataset, rows = load(tmp_path, image_shape=(8, 8, 1), test_fraction=0.1)
    assert len(rows) == 1 and len(dataset.split_digest) == 64
    (line,) = keras_gen.data.left_out_lines(dataset.left_out, tmp_path)
    assert r"caf\udce9.txt" in line and line.encode()


def test_files_of_other_arrays_are_refused(tmp_path):
    images = np.zeros((6, 8, 8), np.uint8)
    labels = np.arange(6)[:, None] % 3
    np.savez(
        tmp_path / "c.npz", x_train=images, y_train=labels,
        x_test=images[:2], y_test=labels[:2],
    )  # fmt: skip
    np.savez(tmp_path / "e.npz", weights=images)
    _, rows = load(tmp_path / "c.npz", image_shape=None)
    assert [row["label"] for row in rows] == [0, 1, 2, 0, 1, 2]
    facts = keras_gen.data.describe(tmp_path / "c.npz")
    assert facts.held_out == {"test": 2} and facts.class_names == ("0", "1", "2")
    with pytest.raises(ValueError, match=r"'x_train'.*got \['weights'\]"):
        load(tmp_path / "e.npz")
    np.savez(tmp_path / "f.npz", image=np.array([{}], object))
    with pytest.raises(ValueError, match="f.npz cannot be read"):
        load(tmp_path / "f.npz")


@pytest.mark.parametrize("split", ["train", "test", "train[:5]"])
@pytest.mark.parametrize(
    "arrays",
    [
        # As many labels as the split has images.
        {"image": (100, 8, 8), "label": (90,)},
        {"x_train": (100, 8, 8), "y_train": (90,), "x_test": (100, 8, 8)},
        {"image": (100, 8, 8), "seed": ()},
        {"image": ()},
    ],
)
def test_arrays_of_other_lengths_than_the_images_are_refused(tmp_path, arrays, split):
    path = tmp_path / "a.npz"
    np.savez(path, **{k: np.zeros(v, np.uint8) for k, v in arrays.items()})
    for function in (load, keras_gen.data.describe):
        with pytest.raises(ValueError, match=r"of one length in .*a\.npz, a row for"):
            function(path, split)


def test_messages_name_the_split_whose_arrays_do_not_fit(tmp_path):
    images = np.zeros((6, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=images, y_train=np.arange(6), x_test=images)
    with pytest.raises(ValueError, match="same arrays in all splits"):
        load(tmp_path / "a.npz", "all")
    names = {"x_train": images, "y_train": np.arange(6), "x_test": images}
    np.savez(tmp_path / "b.npz", **names, y_test=np.full(6, np.nan))
    with pytest.raises(ValueError, match="'test' of .*b.npz: Expected label"):
        load(tmp_path / "b.npz", "train")


# Captions.


def captions_of(folder):
    _, rows = load(folder)
    return [row["caption"].decode() for row in rows]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"]
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_captions_in_every_usual_encoding(tmp_path, encoding, kind):
    save(tmp_path / "1.png")
    text = "file,caption\r\n1.png,Käse für Zoë\r\n"
    if kind == "jsonl":
        row = {"file": "1.png", "caption": "Käse für Zoë"}
        text = json.dumps(row, ensure_ascii=False)
    (tmp_path / f"captions.{kind}").write_bytes(text.encode(encoding))
    assert captions_of(tmp_path) == ["Käse für Zoë"]


def test_captions_may_be_long_and_have_other_separators(tmp_path):
    for i in range(2):
        save(tmp_path / f"{i}.png")
    long = "a cat, " * 30_000
    limit = csv.field_size_limit()
    for separator in ",;\t":
        file = io.StringIO()
        rows = [("file", "caption"), ("0.png", long), ("1.png", "a\nb")]
        csv.writer(file, delimiter=separator).writerows(rows)
        (tmp_path / "captions.csv").write_text(file.getvalue(), newline="")
        assert captions_of(tmp_path) == [long, "a\nb"]
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    "name, content, message",
    [
        (
            "captions.csv",
            "file,caption\n1.png,a\n\n2.png\n",
            "line 4 of .*captions.csv",
        ),
        ("captions.csv", "file,caption\n1.png,a, b\n", "line 2 of .*quotation marks"),
        ("captions.csv", "file,caption\n,a\n", "line 2 of"),
        ("captions.csv", "path,caption\n1.png,a\n", "line 1 of"),
        ("captions.csv", "", "line 1 of"),
        ("captions.csv", "file,caption\n1.png,ü\n2.png,\udcff\n", "Line 3 of .*utf-8"),
        ("captions.jsonl", '{"file": "1.png", "caption": "a"}\n{"file"', "Line 2 of"),
        ("captions.jsonl", '{"file": "1.png"}', "line 1 of"),
        ("captions.jsonl", '{"file": "1.png", "caption": 3}', "line 1 of"),
        ("captions.jsonl", '["1.png", "a"]', "line 1 of"),
    ],
)
def test_errors_of_captions_name_the_file_and_the_line(
    tmp_path, name, content, message
):
    save(tmp_path / "1.png")
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
