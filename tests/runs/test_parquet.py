"""Tables are read without a thread of pyarrow's: one that is still starting ends the process.

So each reader here leaves by os._exit: the one that has such threads would be aborted now and then.
"""

import subprocess
import sys

import pytest

READ = """
import os
import sys
import pyarrow as pa
import pyarrow.parquet as pq
from kho_sim.runs.parquet import table_of

def threads():
    with open("/proc/self/status") as status:
        return next(line for line in status if line.startswith("Threads:"))

sink = pa.BufferOutputStream()
pq.write_table(pa.table({name: list(range(100)) for name in "abcdefgh"}), sink)
content, before = sink.getvalue().to_pybytes(), threads()
if sys.argv[1] == "ours":
    table = table_of(content)
else:
    table = pq.read_table(pa.BufferReader(content))
assert table.num_rows == 100
print(threads() == before, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(("how", "alone"), [("ours", "True"), ("pyarrow's own", "False")])
def test_a_read_starts_no_thread(how, alone):
    done = subprocess.run(
        [sys.executable, "-c", READ, how], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == alone
