"""Where ``verify`` takes its logs from: files, pipes, standard input, and one of them twice."""

import json
import lzma
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kho_sim.verification import verify_logs

LOG = Path(__file__).parents[1] / "recorded/tiny-8G-8M_16M_16M.log.xz"
COMMAND = [sys.executable, "-m", "kho_sim", "verify", "--json", "--workers", "2"]


def totals(document):
    """What was compared, without the name of the log."""
    return document["totals"]


@pytest.fixture(scope="module")
def of_file():
    return totals(verify_logs([LOG]).document)


def test_a_log_that_is_named_twice_is_checked_once(of_file, tmp_path):
    (tmp_path / "link").symlink_to(LOG)
    assert totals(verify_logs([LOG, str(LOG), tmp_path / "link"]).document) == of_file


@pytest.mark.parametrize("packed", [True, False])
def test_standard_input_is_a_log(of_file, packed):
    content = LOG.read_bytes()
    content = content if packed else lzma.decompress(content)
    done = subprocess.run([*COMMAND, "-"], input=content, stdout=subprocess.PIPE, check=True)
    assert totals(json.loads(done.stdout)) == of_file


def test_a_pipe_is_a_log_beside_others_in_worker_processes(of_file, tmp_path):
    pipe, copies = tmp_path / "pipe", [tmp_path / "a.xz", tmp_path / "b.xz"]
    os.mkfifo(pipe)
    for copy in copies:
        copy.write_bytes(LOG.read_bytes())
    writer = threading.Thread(target=pipe.write_bytes, args=(LOG.read_bytes(),))
    writer.start()
    found = verify_logs([copies[0], pipe, copies[1]], workers=2)
    writer.join()
    assert [check.log for check in found.checks] == ["a.xz", "pipe", "b.xz"]
    assert found.document["totals"]["placements"] == {
        name: 3 * count for name, count in of_file["placements"].items()
    }
