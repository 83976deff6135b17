"""Asks SavedModels through a C program that loads them as TF Serving does."""

import functools
import pathlib
import shutil
import struct
import subprocess
import tempfile

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

SOURCE = pathlib.Path(__file__).with_suffix(".c")
COMPILER = shutil.which("cc") or shutil.which("gcc")


@functools.cache
def program():
    """The compiled program, built once a process against the TensorFlow installed."""
    folder = tempfile.TemporaryDirectory(prefix="session_loader-")
    libraries = pathlib.Path(tf.sysconfig.get_lib())
    path = pathlib.Path(folder.name) / "session_loader"
    command = [COMPILER, "-O2", "-Wall", "-Werror", str(SOURCE), "-o", str(path)]
    command += [f"-I{tf.sysconfig.get_include()}", f"-Wl,-rpath,{libraries}"]
    command += [str(libraries / "libtensorflow_cc.so.2")]
    command += [str(libraries / "libtensorflow_framework.so.2")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return path, folder  # The folder goes with the process.


class Refused(Exception):
    """An error of the graph's, with its code."""


class SessionLoader:
    """A process with one SavedModel.

    Args:
        folder: Of a version.
    """

    def __init__(self, folder):
        self.signatures = read_signatures(folder)
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [str(program()[0]), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __call__(self, signature, arrays, outputs=None):
        """Named arrays of outputs, all or those named, as a server gives them."""
        return self.measure(signature, arrays, outputs)[0]

    def measure(self, signature, arrays, outputs=None, repeats=1):
        """The answer, the seconds of so many runs, and resident bytes after them.

        Raises:
            Refused: With what the graph said.
        """
        entry = self.signatures[signature]
        names = list(entry.outputs) if outputs is None else list(outputs)
        request = [struct.pack("<2i", repeats, len(arrays))]
        for name, array in arrays.items():
            dtype = entry.inputs[name].dtype
            request += [_place(entry.inputs[name]), _pack(array, dtype)]
        request += [struct.pack("<i", len(names))]
        request += [_place(entry.outputs[name]) for name in names]
        self._process.stdin.write(b"".join(request))
        self._process.stdin.flush()
        (code,) = self._read("<i")
        if code:
            raise Refused(f"{code}: {self._text().decode()}")
        seconds, kilobytes = self._read("<dq")
        answer = {name: self._tensor() for name in names}
        return answer, seconds, 1024 * kilobytes

    def _read(self, form):
        size = struct.calcsize(form)
        data = self._process.stdout.read(size)
        if len(data) < size:
            self._process.wait()
            self._errors.seek(0)
            raise RuntimeError(self._errors.read().decode()[-2000:])
        return struct.unpack(form, data)

    def _text(self):
        (length,) = self._read("<q")
        return self._process.stdout.read(length)

    def _tensor(self):
        kind, rank = self._read("<2i")
        shape = self._read(f"<{rank}q")
        if kind == tf.string.as_datatype_enum:
            return np.array([self._text() for _ in range(np.prod(shape))], object)
        dtype = np.dtype(tf.dtypes.as_dtype(kind).as_numpy_dtype)
        data = self._process.stdout.read(int(np.prod(shape)) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape)


def read_signatures(folder):
    """The signatures of a version's folder: name to `SignatureDef`."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    found = saved.meta_graphs[0].signature_def
    return {name: s for name, s in found.items() if not name.startswith("__")}


def _place(info):
    name, _, index = info.name.partition(":")
    return struct.pack("<q", len(name)) + name.encode() + struct.pack("<i", int(index))


def _pack(array, dtype):
    array = np.asarray(array)
    head = struct.pack(f"<2i{array.ndim}q", dtype, array.ndim, *array.shape)
    if dtype == tf.string.as_datatype_enum:
        return head + b"".join(struct.pack("<q", len(s)) + s for s in array.flat)
    kind = tf.dtypes.as_dtype(dtype).as_numpy_dtype
    return head + np.ascontiguousarray(array, kind).tobytes()
