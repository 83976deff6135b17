"""Files that are replaced in one step: kills, leftovers, locks and permissions."""

import os
import pathlib
import stat
import subprocess
import sys

import pytest

from keras_gen import files

# A process that writes `new` to a file, and is killed or waits in between.
WRITER = """
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("files", sys.argv[1])
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
where, path = sys.argv[2:]
with files.aside(path) as temporary:
    if where == "start":
        os._exit(9)
    temporary.write_text("new")
    if where == "wait":
        print("waits", flush=True)
        sys.stdin.read()
    if where == "written":
        os._exit(9)
    if where == "flushed":
        os.replace = lambda *_: os._exit(9)
if where == "end":
    os._exit(9)
"""


def command(where, path):
    return [sys.executable, "-c", WRITER, files.__file__, where, str(path)]


def leftovers(folder):
    return sorted(p.name for p in pathlib.Path(folder).glob(".aside-*"))


@pytest.mark.parametrize(
    ("where", "expected"),
    [("start", "old"), ("written", "old"), ("flushed", "old"), ("end", "new")],
)
def test_a_kill_leaves_the_old_or_the_new_file_and_the_next_write_cleans(
    where, expected, tmp_path
):
    path = tmp_path / "a.txt"
    path.write_text("old")
    assert subprocess.run(command(where, path)).returncode == 9
    assert path.read_text() == expected
    assert len(leftovers(tmp_path)) == (where != "end")
    files.write_text(tmp_path / "b.txt", "other")
    assert not leftovers(tmp_path)
    assert path.read_text() == expected


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command("wait", path), **pipe) as writer:
        assert writer.stdout.readline().strip() == b"waits"
        (name,) = leftovers(tmp_path)
        os.utime(tmp_path / name, (0, 0))  # It is old, and its process lives.
        files.write_text(tmp_path / "b.txt", "other")
        assert leftovers(tmp_path) == [name]
        writer.communicate()
    assert writer.returncode == 0 and path.read_text() == "new"
    assert not leftovers(tmp_path)


def test_writes_in_one_process_leave_each_other_alone(tmp_path):
    with files.aside(tmp_path / "a.txt") as outer:
        outer.write_text("a")
        files.write_text(tmp_path / "b.txt", "b")
        with files.aside(tmp_path / "folder") as inner:
            (inner / "deep").mkdir(parents=True)
            (inner / "deep" / "c.txt").write_text("c")
    assert (tmp_path / "a.txt").read_text() == "a"
    assert (tmp_path / "folder" / "deep" / "c.txt").read_text() == "c"
    assert not leftovers(tmp_path)


def test_only_old_leftovers_of_older_versions_are_removed(tmp_path):
    for name in ("new.keras", "old.keras"):
        (tmp_path / f".aside-{name}").write_text("")
    for name in ("newfolder", "oldfolder", "changed"):
        (tmp_path / f".aside-{name}").mkdir()
        (tmp_path / f".aside-{name}" / "x").write_text("")
    os.utime(tmp_path / ".aside-old.keras", (0, 0))
    os.utime(tmp_path / ".aside-oldfolder" / "x", (0, 0))
    for name in ("oldfolder", "changed"):
        os.utime(tmp_path / f".aside-{name}", (0, 0))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("")
    (tmp_path / ".aside-link.part").symlink_to(tmp_path / "mine")
    files.write_text(tmp_path / "a.txt", "a")
    kept = [".aside-changed", ".aside-link.part", ".aside-new.keras"]
    assert leftovers(tmp_path) == [*kept, ".aside-newfolder"]
    assert (tmp_path / "mine" / "x").exists()


def test_an_error_changes_nothing(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(aside):
        pathlib.Path(aside).write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_aside(path, fail)
    assert path.read_text() == "old" and not leftovers(tmp_path)


def test_files_are_flushed_before_they_are_renamed(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace

    def note(handle):
        mode = os.fstat(handle).st_mode
        done.append("folder" if stat.S_ISDIR(mode) else "file")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "replace", lambda *a: (done.append("rename"), replace(*a)))
    files.write_text(tmp_path / "a.txt", "a")
    assert done == ["file", "rename", "folder"]
    done.clear()
    with files.aside(tmp_path / "folder") as folder:
        folder.mkdir()
        (folder / "b.txt").write_text("b")
    assert done == ["file", "folder", "rename", "folder"]


def test_permissions_are_those_of_new_files(tmp_path):
    files.write_text(tmp_path / "a.txt", "a")
    (tmp_path / "b.txt").write_text("b")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_without_locks_only_old_leftovers_go(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    for name in ("new", "old"):
        (tmp_path / f".aside-{name}.part").mkdir()
    os.utime(tmp_path / ".aside-old.part", (0, 0))
    files.write_text(tmp_path / "a.txt", "a")
    assert leftovers(tmp_path) == [".aside-new.part"]


def test_texts_that_are_too_large_or_not_json_are_refused(tmp_path):
    path = tmp_path / "a.json"
    for content, message in (
        (b"\xff", "UTF-8"),
        (b"{", "Expected JSON"),
        (b"[" * 10**5, "Expected JSON"),
        (b"[]", "Expected a JSON object"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "at most 100 levels"),
        (b" " * (files.MAX_TEXT + 1), "at most 16,777,216 bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{message}.*a.json"):
            files.read_json(path)
    path.write_text('{"a": 1}')
    assert files.read_json(path) == {"a": 1}
    with pytest.raises(ValueError, match="'a' that is a str in .*a.json.*, got int"):
        files.check_entries(files.read_json(path), {"a": str}, path)
