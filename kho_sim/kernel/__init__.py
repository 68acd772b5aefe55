"""The memory of one kernel: early boot, bring-up, running, page cache."""
