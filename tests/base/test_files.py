"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack

import pytest

from kho_sim.base.files import TEMPORARY, atomic_write


def test_the_content_is_in_place_only_after_the_block(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(UnicodeEncodeError), atomic_write(path) as file:
        file.writelines([b"half", "\udc80".encode()])
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_two_writers_of_one_file_have_names_of_their_own(tmp_path):
    path = tmp_path / "file"
    with atomic_write(path) as first:
        with atomic_write(path) as second:
            names = [entry.name for entry in tmp_path.iterdir()]
            assert len(names) == 2
            assert all(name.startswith(TEMPORARY) for name in names)
            second.write(b"second")
        first.write(b"first")
    assert path.read_bytes() == b"first"


def test_files_of_a_stack_come_into_place_last_one_first(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "replace", lambda _, target: order.append(target.name))
    with ExitStack() as stack:
        for name in ("document", "table", "another table"):
            stack.enter_context(atomic_write(tmp_path / name))
    assert order == ["another table", "table", "document"]


def test_another_folder_can_hold_what_is_unfinished(tmp_path):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    with atomic_write(tmp_path / "file", unfinished):
        assert len(list(unfinished.iterdir())) == 1
    assert not list(unfinished.iterdir())
    assert (tmp_path / "file").exists()


def test_a_link_keeps_its_name_and_its_target_gets_the_content(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"content"


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    with atomic_write(tmp_path / "pipe") as file:
        file.write(b"content")
    reader.join(timeout=10)
    assert heard == [b"content"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("place", ["nowhere/file", "file/below"])
def test_an_error_names_the_file_that_the_caller_knows(tmp_path, place):
    (tmp_path / "file").write_bytes(b"mine")
    with (
        pytest.raises(OSError, match=r"No such file|Not a directory") as caught,
        atomic_write(tmp_path / place),
    ):
        pass
    assert caught.value.filename == str(tmp_path / place)
