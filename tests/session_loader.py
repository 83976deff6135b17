"""Runs SavedModels in a C program that loads them as TF Serving does."""

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
    """Path of the program, compiled once per process for the installed TensorFlow."""
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
    return path, folder  # The folder is removed when the process ends.


class Refused(Exception):
    """An error that the graph raised, with its code."""


class SessionLoader:
    """A process that runs one SavedModel.

    Args:
        folder: Folder of the version.
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
        """Arrays of all outputs, or of those named in `outputs`, by name."""
        return self.measure(signature, arrays, outputs)[0]

    def measure(self, signature, arrays, outputs=None, repeats=1):
        """The answer, the seconds that all repeats took, and resident bytes after them.

        Args:
            signature: Name of the signature.
            arrays: Rows of each input, by name.
            outputs: Names of the requested outputs; None requests all.
            repeats: Number of runs.

        Raises:
            Refused: If the graph raises an error, with the error's message.
        """
        entry = self.signatures[signature]
        names = list(entry.outputs) if outputs is None else list(outputs)
        request = [struct.pack("<2i", repeats, len(arrays))]
        for name, array in arrays.items():
            dtype = entry.inputs[name].dtype
            request += [_pack_name(entry.inputs[name]), _pack(array, dtype)]
        request += [struct.pack("<i", len(names))]
        request += [_pack_name(entry.outputs[name]) for name in names]
        self._process.stdin.write(b"".join(request))
        self._process.stdin.flush()
        (code,) = self._read("<i")
        if code:
            raise Refused(f"{code}: {self._string().decode()}")
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

    def _string(self):
        (length,) = self._read("<q")
        return self._process.stdout.read(length)

    def _tensor(self):
        kind, rank = self._read("<2i")
        shape = self._read(f"<{rank}q")
        if kind == tf.string.as_datatype_enum:
            return np.array([self._string() for _ in range(np.prod(shape))], object)
        dtype = np.dtype(tf.dtypes.as_dtype(kind).as_numpy_dtype)
        data = self._process.stdout.read(int(np.prod(shape)) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape)


def read_signatures(folder):
    """The `SignatureDef`s in a version's folder, by name."""
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((pathlib.Path(folder) / "saved_model.pb").read_bytes())
    found = saved.meta_graphs[0].signature_def
    return {name: s for name, s in found.items() if not name.startswith("__")}


def _pack_name(info):
    name, _, index = info.name.partition(":")
    return struct.pack("<q", len(name)) + name.encode() + struct.pack("<i", int(index))


def _pack(array, dtype):
    array = np.asarray(array)
    head = struct.pack(f"<2i{array.ndim}q", dtype, array.ndim, *array.shape)
    if dtype == tf.string.as_datatype_enum:
        return head + b"".join(struct.pack("<q", len(s)) + s for s in array.flat)
    kind = tf.dtypes.as_dtype(dtype).as_numpy_dtype
    return head + np.ascontiguousarray(array, kind).tobytes()
